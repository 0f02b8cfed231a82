"""The case `logs`: text logs of a million lines, from a cold start to the last commit, against mtail and
a loop written by hand.

mtail is the Debian package, unpacked beside the other peers and not installed. It keeps the last value of
each metric in memory; lensd keeps every point, on disk.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import data

HERE = Path(__file__).resolve().parent
POINTS = {"megatron": 8, "hf": 3, "unlisted": 3, "json": 2}
POINTS = {kind: values * data.LINES for kind, values in POINTS.items()}
LABEL = {
    "megatron": "Megatron-LM, 8 values a line",
    "hf": "Hugging Face Trainer dicts, 3 values a line",
    "unlisted": "lines in no known log format, 3 values a line",
    "json": "JSON lines, 2 values a line",
}


def mtail() -> str:
    """The program of the Debian package, fetched on first use."""
    place = HERE / ".envs" / "mtail"
    program = place / "usr" / "bin" / "mtail"
    if not program.exists():
        print(f"fetching the Debian package mtail into {place.relative_to(HERE.parent)}", flush=True)
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["apt-get", "-qq", "download", "mtail"], cwd=place, check=True, stderr=subprocess.DEVNULL
        )
        (package,) = place.glob("mtail_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(place)], check=True)
    return str(program)


def run(
    repeats: int,
    by_turns: Callable[[int, dict[str, Callable[[], float]]], dict[str, float]],
    timed: Callable[[Callable[[], object]], float],
) -> None:
    program = mtail()
    for kind in POINTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "runs" / "exp"
            folder.mkdir(parents=True)
            path = data.text_log(folder / "train.log", kind)

            def ours(place: str = place, kind: str = kind) -> float:
                for stale in Path(place).glob("x.db*"):
                    stale.unlink()
                command = [sys.executable, "-m", "lensd", "ingest", f"{place}/runs", "--db", f"{place}/x.db"]
                return timed(lambda: _check(command, f"{POINTS[kind]} points"))

            def theirs(path: Path = path, kind: str = kind) -> float:
                command = [
                    *(
                        program,
                        "-one_shot",
                        "-one_shot_format=prometheus",
                        "-logtostderr",
                        "-stderrthreshold=3",
                    ),
                    *("-progs", str(HERE / "mtail" / f"{kind}.mtail"), "-logs", str(path)),
                ]
                environment = {"GOMAXPROCS": "1"}
                return timed(lambda: _matched(command, environment))

            def loop(path: Path = path, kind: str = kind) -> float:
                out = subprocess.run(
                    [sys.executable, str(HERE / "peer_re.py"), kind, str(path)],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                seconds, points = out.stdout.split()
                assert int(points) == POINTS[kind], points
                return float(seconds)

            took = by_turns(repeats, {"lensd": ours, "mtail": theirs, "loop": loop})
            size = path.stat().st_size / 1e6
        print(f"\n{LABEL[kind]}: {data.LINES:,} lines, {size:.0f} MB (medians)")
        for name, label in (
            ("lensd", "lensd ingest, process start to last commit"),
            ("mtail", "mtail 3.0 one_shot, the last values in memory"),
            ("loop", "Python re loop, lists in memory"),
        ):
            seconds, ratio = took[name], took[name] / took["lensd"]
            rate = f"{size / seconds:6.0f} MB/s {POINTS[kind] / seconds / 1e6:5.2f}M points/s"
            print(f"  {label:<46} {seconds:6.2f} s {rate} {ratio:5.1f}x lensd")


def _check(command: list[str], wanted: str) -> None:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert wanted in output, output


def _matched(command: list[str], environment: dict[str, str]) -> None:
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    matched = re.search(r"^lines_matched\b.* (\S+)$", output, re.MULTILINE)
    assert matched, output[:500]
    assert float(matched[1]) == data.LINES, matched[0]
