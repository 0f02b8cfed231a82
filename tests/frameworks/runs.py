"""Runs the scripts of this folder in the environments of real frameworks, and compares what lensd reads.

`WAYS` are the ways of printing: stdout and stderr into one file, into two, through one pipe, through two
pipes that are joined as a container does, and through a terminal. Without the variable PYTHONUNBUFFERED, as a
person starts them, Python buffers stdout where it is no terminal.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.log.reading import Point, read

SCRIPTS = Path(__file__).parent / "scripts"
#: Counters of Hugging Face's dicts, which are no metrics.
COUNTERS = frozenset(("epoch", "step", "total_flos"))
_LIMIT_S = 300


@dataclass
class Truth:
    """One point that a framework logged: `step` is its own counter."""

    name: str
    step: int
    value: float


def python_of(environment: str) -> str:
    """The Python of an environment that `make test-frameworks` makes."""
    python = ROOT / ".frameworks" / environment / "bin" / "python"
    assert python.exists(), "`make test-frameworks` makes this environment first"
    return str(python)


def command(environment: str, script: str, options: dict[str, Any]) -> list[str]:
    """The command line of one run of a script."""
    return [python_of(environment), str(SCRIPTS / f"{script}.py"), json.dumps(options)]


def environ(**changes: str) -> dict[str, str]:
    """The variables for a run: one thread, nothing from the network, bars of 120 columns."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    offline = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    # Checkpoints of transformers 4.44 hold what torch 2.6 and later refuse to load otherwise.
    old = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **offline, **old, **changes}


def one_file(args: list[str], folder: Path, env: dict[str, str]) -> int:
    with open(folder / "train.log", "ab") as log:
        return subprocess.run(args, stdout=log, stderr=log, env=env, cwd=folder, timeout=_LIMIT_S).returncode


def two_files(args: list[str], folder: Path, env: dict[str, str]) -> int:
    with open(folder / "train.out", "ab") as out, open(folder / "train.err", "ab") as err:
        return subprocess.run(args, stdout=out, stderr=err, env=env, cwd=folder, timeout=_LIMIT_S).returncode


def one_pipe(args: list[str], folder: Path, env: dict[str, str]) -> int:
    with open(folder / "train.log", "ab") as log:
        done = subprocess.run(
            args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=folder, timeout=_LIMIT_S
        )
        log.write(done.stdout)
    return done.returncode


def joined_pipes(args: list[str], folder: Path, env: dict[str, str]) -> int:
    """Two pipes, each copied into one file as it comes: what container runtimes do."""
    process = subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder, bufsize=0
    )
    with open(folder / "train.log", "ab", buffering=0) as log:

        def copy(pipe: Any) -> None:
            while data := os.read(pipe.fileno(), 1 << 16):
                log.write(data)

        copiers = [threading.Thread(target=copy, args=(pipe,)) for pipe in (process.stdout, process.stderr)]
        for copier in copiers:
            copier.start()
        for copier in copiers:
            copier.join(_LIMIT_S)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    return process.wait(_LIMIT_S)


def terminal(args: list[str], folder: Path, env: dict[str, str]) -> int:
    """What `script` records: everything that was written to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    process = subprocess.Popen(args, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=folder)
    os.close(theirs)
    with open(folder / "train.log", "ab") as log:
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # the other end was closed
                break
            if not data:
                break
            log.write(data)
    os.close(ours)
    return process.wait(_LIMIT_S)


Way = Callable[[list[str], Path, dict[str, str]], int]
WAYS: dict[str, Way] = {
    "one file": one_file,
    "two files": two_files,
    "one pipe": one_pipe,
    "joined pipes": joined_pipes,
    "terminal": terminal,
}


def truth_of(path: Path) -> list[Truth]:
    """What the script says that was logged."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Truth(name, line["step"], float(value))
        for line in lines
        for name, value in line["values"].items()
        if name not in COUNTERS
    ]


def points_of(paths: Iterable[Path]) -> dict[str, list[Point]]:
    """What lensd reads of some files, by metric."""
    points: dict[str, list[Point]] = {}
    for path in paths:
        for name, pairs in read(path).points.items():
            points.setdefault(name, []).extend(pairs)
    return points


def is_close(printed: float | str, value: float) -> bool:
    """Is this what a framework prints of a value? They print three digits or more, or four decimals."""
    return isinstance(printed, float) and abs(printed - value) <= max(6e-3 * abs(value), 6e-5)


def compare(points: dict[str, list[Point]], truth: list[Truth]) -> tuple[int, list[Truth], list[str]]:
    """How many points are right, which are missing, and which are read but never logged."""
    left = [(name, step, value) for name, pairs in points.items() for step, value in pairs]
    missing = []
    for point in truth:
        for read_point in left:
            if read_point[:2] == (point.name, point.step) and is_close(read_point[2], point.value):
                left.remove(read_point)
                break
        else:
            missing.append(point)
    return len(truth) - len(missing), missing, [f"{name}@{step}={value}" for name, step, value in left]


#: What the runs of this process gave: environment and scenario, way, points right and written.
TABLE: list[tuple[str, str, int, int]] = []


def check(title: str, way: str, folder: Path, truth: list[Truth]) -> None:
    """Assert that the files of a run give exactly its truth; a row of the table."""
    logs = [path for path in sorted(folder.iterdir()) if path.name.startswith("train.")]
    right, missing, extra = compare(points_of(logs), truth)
    TABLE.append((title, way, right, len(truth)))
    print(f"{title}, {way}: {right} of {len(truth)} right, {len(extra)} extra")
    if missing or extra:
        pytest.fail(f"{title}, {way}: missing {missing[:8]}, extra {extra[:8]} ({folder})")
