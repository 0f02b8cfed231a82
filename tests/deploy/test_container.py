"""The image, built and run for real with podman, as a pod would run it: `make test-container`.

It needs root, podman with runc, and debootstrap. Images cannot be pulled here, so the base is made by
debootstrap and given to the Dockerfile as BASE.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.container, pytest.mark.xdist_group("container")]

BASE, IMAGE = "localhost/lensd-base", "localhost/lensd-test"
PODMAN = ["podman", "--runtime", "runc", "--cgroup-manager=cgroupfs"]
#: What a pod with a security context gives: no rights, no writing but to volumes, little memory.
LIMITS = [
    "--network=host", "--read-only", "--user", "65532:65532", "--cap-drop=ALL", "--pids-limit", "100",
    "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--tmpfs", "/tmp", "-m", "256m",
]  # fmt: skip
_PORT = 18470


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}: {result.stdout[-1000:]}{result.stderr[-2000:]}"
    return result.stdout.strip()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    missing = [name for name in ("podman", "runc", "debootstrap") if not shutil.which(name)]
    assert not missing, f"apt-get install {' '.join(missing)}"
    if subprocess.run(["podman", "image", "exists", BASE]).returncode:
        root = tmp_path_factory.mktemp("base") / "root"
        run(
            "debootstrap",
            "--variant=minbase",
            "--include=ca-certificates,python3-venv",
            "bookworm",
            str(root),
        )
        packed = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["podman", "import", "-", BASE], stdin=packed.stdout, check=True, capture_output=True)
        shutil.rmtree(root)
    context = tmp_path_factory.mktemp("context")
    (context / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "Dockerfile", context / "deploy")
    # All wheels, so that the build asks nobody.
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "-w", str(context / "dist"), str(ROOT))
    run(
        *PODMAN, "build", "--isolation", "chroot", "--build-arg", f"BASE={BASE}",
        "--build-arg", "PIP_OPTIONS=--no-index --find-links /wheels",
        "-f", str(context / "deploy" / "Dockerfile"), "-t", IMAGE, str(context),
    )  # fmt: skip
    return IMAGE


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[dict[str, Path]]:
    folders = {name: tmp_path / name for name in ("runs", "data")}
    for folder in folders.values():
        folder.mkdir()
        os.chown(folder, 65532, 65532)
    yield folders
    left = run(*PODMAN, "ps", "-aq", "--filter", f"ancestor={IMAGE}").split()
    if left:
        run(*PODMAN, "rm", "-f", "-t", "0", *left)


def start(image: str, volumes: dict[str, Path], *arguments: str, environment: dict[str, str]) -> str:
    """Start a daemon with the runs read-only, and wait until its health check says that it is ready."""
    settings = {"LENSD_PORT": str(_PORT), "LENSD_TOKEN": "secret"} | environment
    container = run(
        *PODMAN, "run", "-d", *LIMITS, *(f"--env={name}={value}" for name, value in settings.items()),
        "-v", f"{volumes['runs']}:/runs:ro", "-v", f"{volumes['data']}:/data", image, *arguments,
    )  # fmt: skip
    for _ in range(600):
        # podman has nothing to wait for but its own health checks, which need systemd.
        if not subprocess.run(
            [*PODMAN, "exec", container, "lensd", "health"], capture_output=True
        ).returncode:
            return container
        if run(*PODMAN, "inspect", "-f", "{{.State.Running}}", container) == "false":
            break
    raise AssertionError(run(*PODMAN, "logs", container))


def points(uid: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{_PORT}/api/v1/workloads/{uid}/metrics/data",
        headers={"Authorization": "Bearer secret"},
    )
    with urllib.request.urlopen(request) as response:
        return len(json.load(response)["data"])


def write(folder: Path, steps: range, end: str = "\n") -> None:
    with (folder / "train.log").open("a") as log:
        log.write("\n".join(f"step {step} loss {1 / (step + 1):.6f}" for step in steps) + end)


def exported(volumes: dict[str, Path], uid: str) -> int:
    command = ["export", "--db", str(volumes["data"] / "lensd.db"), "--workload", uid, "--format", "csv"]
    return run(sys.executable, "-m", "lensd", *command).count("\n")


def test_a_sidecar_ends_with_its_job_and_loses_nothing(image: str, volumes: dict[str, Path]) -> None:
    container = start(image, volumes, environment={"LENSD_EXIT_WITH": "/runs/done", "WORKLOAD_UID": "exp1"})
    write(volumes["runs"], range(20_000))
    write(volumes["runs"], range(20_000, 20_001), end="")  # the job was killed in the middle of a line
    (volumes["runs"] / "done").touch()
    assert run(*PODMAN, "wait", container) == "0"
    assert exported(volumes, "exp1") == 20_001
    assert "/runs/done is there: reading what is left" in run(*PODMAN, "logs", container)


def test_a_sidecar_that_is_stopped_reads_what_is_left(image: str, volumes: dict[str, Path]) -> None:
    container = start(image, volumes, environment={"WORKLOAD_UID": "exp1", "LENSD_DRAIN_SECONDS": "20"})
    write(volumes["runs"], range(300_000))
    run(*PODMAN, "stop", "-t", "30", container)
    assert run(*PODMAN, "inspect", "-f", "{{.State.ExitCode}}", container) == "0"
    assert exported(volumes, "exp1") == 300_000


def test_it_stays_when_training_is_killed_for_memory(
    image: str, volumes: dict[str, Path], tmp_path: Path
) -> None:
    container = start(image, volumes, environment={"WORKLOAD_UID": "exp1"})
    hungry = "print(*(f'step {n} loss {1 / (n + 1)}' for n in range(50)), sep=chr(10), flush=True)"
    hungry += "; held = [bytearray(1 << 20) for _ in range(400)]"
    training = subprocess.run(  # cwd: the monitor of the container leaves a file there
        [*PODMAN, "run", "--rm", *LIMITS, "-m", "64m", "--memory-swap", "64m", "--entrypoint", "python3",
         "-v", f"{volumes['runs']}:/runs", image,
         "-c", f"import sys; sys.stdout = open('/runs/train.log', 'w', 1); {hungry}"],
        cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert training.returncode == 137, training.stderr
    for _ in range(3000):
        if points("exp1") == 50:
            break
    assert points("exp1") == 50
    assert run(*PODMAN, "inspect", "-f", "{{.State.Running}}", container) == "true"


def test_without_a_token_it_says_what_to_do(image: str, volumes: dict[str, Path]) -> None:
    result = subprocess.run([*PODMAN, "run", "--rm", *LIMITS, image], capture_output=True, text=True)
    assert result.returncode == 2
    assert "set LENSD_TOKEN, or add --insecure" in result.stderr


def test_a_database_that_cannot_be_written_is_one_sentence(image: str, volumes: dict[str, Path]) -> None:
    result = subprocess.run(
        [*PODMAN, "run", "--rm", *LIMITS, "-e", "LENSD_TOKEN=x", "-v", f"{volumes['data']}:/data:ro",
         "-v", f"{volumes['runs']}:/runs:ro", image],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1, result.stderr
