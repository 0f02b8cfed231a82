"""Whatever stands around the lines of a log, and however it is read: the points are the same."""

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensd_log import LogAdapter
from tests.log.reading import MTIME, Point, Reading, read, write
from tests.log.test_golden import GOLDEN, NAMES
from tests.log.test_truth import REAL, REAL_LOGS

Wrap = Callable[[str], str]
TIME = "2024-03-10T12:00:00"

#: One wrapper of each kind that there is; each takes a line and gives a line.
WRAPPERS: dict[str, Wrap] = {
    "cri": lambda line: f"{TIME}.123456789Z stdout F {line}",
    "docker": lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": f"{TIME}.1Z"}),
    "syslog": lambda line: f"Mar 10 12:00:00 node-1 python3[4242]: {line}",
    "srun": lambda line: f" 3: {line}",
    "torchrun": lambda line: f"[rank0]: {line}",
    "elastic": lambda line: f"[default3]:{line}",
    "loguru": lambda line: f"2024-03-10 12:00:00.123 | INFO     | __main__:train:42 - {line}",
    "logging": lambda line: f"2024-03-10 12:00:00,123 - root - INFO - {line}",
    "basic": lambda line: f"INFO:root:{line}",
    "level": lambda line: f"[INFO] {line}",
    "compose": lambda line: f"trainer-1  | {line}",
    "mpirun": lambda line: f"[1,0]<stdout>:{line}",
    "kubectl": lambda line: f"[pod/job-master-0/trainer] {line}",
    "pdsh": lambda line: f"node17: {line}",
    "hydra": lambda line: f"[2024-03-10 12:00:00,123][__main__][INFO] - {line}",
    "nemo": lambda line: f"[NeMo I 2024-03-10 12:00:00 nemo_logging:393] {line}",
    "colour": lambda line: f"\x1b[32m{line}\x1b[0m",
}
CONTAINERS = ("cri", "docker")
LINES = [name for name in NAMES if name != "runicorn"]  # one JSON object a line, in a file of that name


def wrapped(data: str, stack: list[str]) -> str:
    lines = data.removesuffix("\n").split("\n")
    for name in stack:
        lines = [WRAPPERS[name](line) for line in lines]
    return "\n".join(lines) + "\n"


def points_of(path: Path) -> dict[str, list[Point]]:
    return read(path).points


def plain_text(name: str) -> str:
    return (GOLDEN / f"{name}.log").read_bytes().decode().replace("\r\n", "\n")


@cache
def bare_points(name: str) -> dict[str, list[Point]]:
    """Those of a golden log without anything around its lines."""
    with TemporaryDirectory() as folder:
        return points_of(write(Path(folder) / "bare.log", plain_text(name).encode()))


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", LINES)
def test_one_wrapper_changes_nothing(name: str, wrapper: str, tmp_path: Path) -> None:
    around = points_of(write(tmp_path / "around.log", wrapped(plain_text(name), [wrapper]).encode()))
    assert around == bare_points(name)


def stacks() -> st.SearchStrategy[list[str]]:
    """Innermost first. Once each, but for containers: what a program prints passes through no two of them."""
    inner = st.lists(st.sampled_from([w for w in WRAPPERS if w not in CONTAINERS]), max_size=4, unique=True)
    around = st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=2, unique=True)
    return st.builds(lambda a, b: list(dict.fromkeys([*a, *b])), inner, around)


@given(name=st.sampled_from(LINES), stack=stacks())
def test_any_stack_of_wrappers_changes_nothing(name: str, stack: list[str], tmp_path: Path) -> None:
    around = points_of(write(tmp_path / "around.log", wrapped(plain_text(name), stack).encode()))
    assert around == bare_points(name), stack


def in_parts(line: str, cuts: list[int]) -> list[str]:
    """A line as Kubernetes' and Docker's loggers cut it, which pass on no more than 16 KiB at once."""
    places = sorted({cut % (len(line) + 1) for cut in cuts} | {0, len(line)})
    return [line[begin:end] for begin, end in pairwise(places)] or [""]


@given(
    name=st.sampled_from(LINES),
    cuts=st.lists(st.integers(0, 1000), max_size=3),
    docker=st.booleans(),
    stack=st.lists(st.sampled_from(["torchrun", "logging", "colour"]), max_size=2, unique=True),
)
def test_lines_that_a_container_cut_into_parts_are_whole(
    name: str, cuts: list[int], docker: bool, stack: list[str], tmp_path: Path
) -> None:
    text = plain_text(name)
    lines = []
    for line in wrapped(text, stack).removesuffix("\n").split("\n"):
        *begun, last = in_parts(line, cuts)
        if docker:
            segments = [*begun, last + "\n"]
            lines += [
                json.dumps({"log": segment, "stream": "stdout", "time": f"{TIME}Z"}) for segment in segments
            ]
        else:
            lines += [f"{TIME}.5Z stdout P {segment}" for segment in begun] + [f"{TIME}.5Z stdout F {last}"]
    cut = write(tmp_path / "cut.log", "\n".join([*lines, ""]).encode())
    assert points_of(cut) == bare_points(name)


@given(
    name=st.sampled_from(LINES),
    stack=stacks(),
    ends=st.lists(st.integers(0, 5000), max_size=6),
    points=st.integers(1, 50),
)
def test_any_split_into_reads_gives_the_same(
    name: str, stack: list[str], ends: list[int], points: int, tmp_path: Path
) -> None:
    data = wrapped(plain_text(name), stack).encode()
    whole = points_of(write(tmp_path / "whole.log", data))
    path, reading, adapter = tmp_path / "split.log", Reading(), LogAdapter()
    for end in sorted({end % (len(data) + 1) for end in ends} | {len(data)}):
        read(write(path, data[:end]), reading, adapter, now_ms=MTIME * 1000, points=points)
    assert reading.points == whole


@pytest.mark.slow
@pytest.mark.skipif(not REAL_LOGS, reason="the real logs lie beside the checkout, not in it")
@pytest.mark.parametrize("name", REAL_LOGS)
def test_wrappers_around_a_real_log_change_nothing(name: str, tmp_path: Path) -> None:
    lines = (REAL / f"{name}.log").read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    text = "\n".join(lines[:150]) + "\n"
    bare = points_of(write(tmp_path / "bare.log", text.encode()))
    for wrapper in WRAPPERS:
        around = points_of(write(tmp_path / "around.log", wrapped(text, [wrapper]).encode()))
        assert around == bare, wrapper
