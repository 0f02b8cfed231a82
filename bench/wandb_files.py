"""The case `wandb`: reading a `.wandb` file of 1M values that the real SDK wrote, against the ways there are
to read one without the SDK's Go programs: its own protobuf classes, and plain Python.

The peers only build lists in memory; their time begins when Python and the classes are loaded. lensd's is
that of a whole `lensd ingest`, and beside it that of reading and storing alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
VALUES = 1_000_000
PINNED = "wandb==0.22.3"  # the last that has the record classes in Python and reads its own files with them

_WRITE = """
import os, random, sys, wandb
os.chdir(sys.argv[1])
settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)
run = wandb.init(mode="offline", project="p", settings=settings)
rng = random.Random(1)
for _ in range(50_000):
    run.log({f"metric_{index}": rng.random() for index in range(20)})
run.finish()
"""


def run(
    repeats: int,
    by_turns: Callable[[int, dict[str, Callable[[], float]]], dict[str, float]],
    timed: Callable[[Callable[[], object]], float],
    python: str,
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        folder.mkdir()
        subprocess.run([python, "-c", _WRITE, str(folder)], check=True, capture_output=True)
        (path,) = folder.glob("wandb/offline-run-*/*.wandb")

        def ours() -> float:
            for stale in Path(place).glob("x.db*"):
                stale.unlink()
            command = [sys.executable, "-m", "lensd", "ingest", str(folder), "--db", f"{place}/x.db"]
            return timed(lambda: _check(command, f"{VALUES} points"))

        def peer(program: str, how: str) -> Callable[[], float]:
            command = [program, str(HERE / "peer_wandb.py"), how, str(path)]

            def work() -> float:
                out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                seconds, values = out.split()
                assert int(values) == VALUES, out
                return float(seconds)

            return work

        cases = {
            "lensd": ours,
            "stored": peer(sys.executable, "lensd"),
            "plain": peer(sys.executable, "plain"),
            "classes": peer(python, "classes"),
        }
        took = by_turns(repeats, cases)
        size = path.stat().st_size / 1e6
    print(f"\n.wandb file of 1M values, 20 a row, {size:.0f} MB (medians)")
    for name, label in (
        ("lensd", "lensd ingest, process start to last commit"),
        ("stored", "lensd, reading and storing alone"),
        ("classes", "wandb's protobuf classes, lists in memory"),
        ("plain", "item by item in Python, lists in memory"),
    ):
        rate = VALUES / took[name] / 1e6
        print(f"  {label:<46} {took[name]:6.2f} s {rate:6.2f}M values/s {took[name] / took['stored']:5.1f}x")


def _check(command: list[str], wanted: str) -> None:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert wanted in output, output
