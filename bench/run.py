"""`make bench`: lensd against its peers, each in an environment of its own, in one run."""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import data  # noqa: E402 - beside this file, which is a script and no package
import logs  # noqa: E402 - likewise
import wandb_files  # noqa: E402 - likewise

PEERS = {
    "tbparse": ["tbparse"],
    "tensorboard": ["tensorboard", "setuptools<81"],
    "runicorn": ["runicorn==0.7.2"],
    "wandb": [wandb_files.PINNED, "setuptools<81"],
}
MILLION = data.TAGS * data.STEPS


def peer(name: str) -> str:
    """The Python of a peer's own environment, made on first use."""
    place = HERE / ".envs" / name
    python = place / "bin" / "python"
    stamp = place / ".installed"
    if not stamp.exists() or stamp.read_text() != " ".join(PEERS[name]):
        print(f"installing {' '.join(PEERS[name])} into {place.relative_to(HERE.parent)}", flush=True)
        venv.create(place, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[name]],
            check=True,
        )
        stamp.write_text(" ".join(PEERS[name]))
    return str(python)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_turns(repeats: int, cases: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median seconds of each case; the cases take turns, so that a slow minute hits all of them."""
    seen: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            seen[name].append(case())
    return {name: statistics.median(values) for name, values in seen.items()}


def events(repeats: int) -> None:
    tbparse, tensorboard = peer("tbparse"), peer("tensorboard")
    for style in ("simple_value", "TF2 tensors"):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "runs" / "exp"
            folder.mkdir(parents=True)
            path = data.event_file(folder, tensors=style != "simple_value")

            def ours(place: str = place) -> float:
                database = Path(place) / "x.db"
                for stale in Path(place).glob("x.db*"):
                    stale.unlink()
                command = [sys.executable, "-m", "lensd", "ingest", f"{place}/runs", "--db", str(database)]
                took = timed(lambda: _check(_output(command), f"{MILLION} points"))
                return took

            def parse(path: Path = path) -> float:
                command = [tbparse, str(HERE / "peer_tbparse.py"), str(path)]
                return timed(lambda: _check(_output(command), str(MILLION)))

            def rust(folder: Path = folder) -> float:
                command = [
                    tensorboard,
                    str(HERE / "peer_rust.py"),
                    str(folder),
                    str(data.STEPS - 1),
                    str(data.TAGS),
                ]
                return float(_output(command).split()[-1])

            took = by_turns(repeats, {"lensd": ours, "rust": rust, "tbparse": parse})
        print(f"\nevent file, 1M scalars, {style}: seconds from cold start (medians)")
        for name, label in (
            ("lensd", "lensd ingest, to the last commit"),
            ("tbparse", "tbparse, to the DataFrame"),
            ("rust", "TensorBoard's Rust data server, to readable"),
        ):
            rate = MILLION / took[name] / 1e6
            print(
                f"  {label:<46} {took[name]:7.2f} s  {rate:6.2f}M/s  {took[name] / took['lensd']:6.1f}x lensd"
            )


def rows(repeats: int) -> None:
    runicorn = peer("runicorn")
    with tempfile.TemporaryDirectory() as place:
        storage = Path(place) / "storage"
        run_id = data.runicorn_run(storage)
        database = Path(place) / "x.db"
        _output([sys.executable, "-m", "lensd", "ingest", str(storage), "--db", str(database)])
        config = Path(place) / "lensd.toml"
        config.write_text("[rate_limits]\nrequests = 0\n")
        serve = [
            *(sys.executable, "-m", "lensd", "serve", str(storage), "--db", str(database)),
            *("--config", str(config), "--port"),
        ]
        theirs = [str(Path(runicorn).parent / "runicorn"), "viewer", "--storage", str(storage), "--port"]
        request = f"/api/runs/{run_id}/metrics_step?downsample=2000"
        measured: dict[str, dict[str, list[float]]] = {}
        for _ in range(repeats):
            for name, command in (("lensd", serve), ("runicorn", theirs)):
                cold, warm, memory = _serve_and_ask(command, request)
                kinds = measured.setdefault(name, {"cold": [], "warm": [], "memory": []})
                kinds["cold"].append(cold)
                kinds["warm"].append(warm)
                kinds["memory"].append(memory)
    print("\nmetrics_step?downsample=2000, 100k rows x 10 metrics (medians)")
    middle = {n: {k: statistics.median(v) for k, v in kinds.items()} for n, kinds in measured.items()}
    for kind, label in (("warm", "warm"), ("cold", "first after a restart")):
        ours, other = middle["lensd"][kind], middle["runicorn"][kind]
        print(
            f"  {label:<24} lensd {ours * 1e3:7.1f} ms  Runicorn {other * 1e3:7.1f} ms  {other / ours:6.1f}x"
        )
    print(
        f"  {'resident memory':<24} lensd {middle['lensd']['memory']:7.0f} MB"
        f"   Runicorn {middle['runicorn']['memory']:7.0f} MB"
    )


def _serve_and_ask(command: list[str], request: str) -> tuple[float, float, float]:
    """(seconds of the first request, median of ten more, resident MB) of a server started for it."""
    port = _free_port()
    server = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{base}/api/health", timeout=5).read()
                break
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.05)
        bodies: list[bytes] = []
        cold = timed(lambda: bodies.append(_ask(base + request)))
        warm = statistics.median(timed(lambda: bodies.append(_ask(base + request))) for _ in range(10))
        assert all(len(json.loads(body)["rows"]) >= 1999 for body in bodies)
        status = Path(f"/proc/{server.pid}/status").read_text()
        memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]  # Linux has it
        return cold, warm, memory
    finally:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _check(output: str, wanted: str) -> None:
    assert wanted in output, output


def text_logs(repeats: int) -> None:
    logs.run(repeats, by_turns, timed)


def wandb(repeats: int) -> None:
    wandb_files.run(repeats, by_turns, timed, peer("wandb"))


CASES = {"events": events, "rows": rows, "logs": text_logs, "wandb": wandb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "case", nargs="*", choices=[*CASES, []], help="events, rows, logs, wandb; all without any"
    )
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, medians of {chosen.repeats}")
    assert shutil.which(sys.executable)
    for name in chosen.case or CASES:
        CASES[name](chosen.repeats)


if __name__ == "__main__":
    main()
