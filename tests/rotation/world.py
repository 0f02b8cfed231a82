"""A writer, something that rotates its log, and a slow file system, on one clock that only tests move.

Every file operation of lensd takes `delay_ms` of that clock, in which the writer and the rotation go on. What
a rotation loses itself is counted: lines that are written between the end of a copy and the truncation.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

#: Where lensd looks at the files of a log.
MODULES = (
    "lensd.discovery",
    "lensd.ingest.tracked",
    "lensd.tail.files",
    "lensd.tail.kinship",
    "lensd.tail.segments",
)

#: One rotation: does its next step each time it is advanced, and yields the milliseconds until the one after.
Rotation = Callable[["World"], Iterator[float]]


class World:
    """A folder with the log `train.log`. now_ms: since the beginning. written: steps, in order."""

    def __init__(
        self, folder: Path, rotation: Rotation, *, interval_ms: float, line_ms: float, delay_ms: float = 0.0
    ) -> None:
        self.log = folder / "train.log"
        self.now_ms = 0.0
        self.delay_ms = delay_ms
        self.written: list[int] = []
        self.lost: set[int] = set()
        self.rotations = 0
        self.operations = 0
        self._rotation = rotation
        self._interval_ms, self._line_ms = interval_ms, line_ms
        self._file = self.open()
        self._next_line, self._next_step = line_ms, interval_ms
        self._running: Iterator[float] | None = None
        self._stopped = False
        self._advancing = False

    # What the rotation does to the writer

    def open(self) -> Any:
        return self.log.open("ab", buffering=0)

    def reopen(self) -> None:
        self._file.close()
        self._file = self.open()

    def truncate(self, copied: int) -> None:
        """Truncate the log; what was written behind its first `copied` bytes is lost."""
        gone = self.log.read_bytes()[copied:]
        self.lost |= {int(line.split()[1]) for line in gone.splitlines()}
        os.truncate(self.log, 0)

    # The clock

    def operation(self) -> None:
        """One file operation of lensd begins."""
        self.operations += 1
        self.advance(self.delay_ms)

    def advance(self, ms: float) -> None:
        """Let time pass for the writer and the rotation."""
        if self._advancing:  # the rotation uses files itself
            return
        self._advancing = True
        until = self.now_ms + ms
        while not self._stopped and min(self._next_line, self._next_step) <= until:
            if self._next_line <= self._next_step:
                self.now_ms = max(self.now_ms, self._next_line)
                self._next_line += self._line_ms
                self.write()
            else:
                self.now_ms = max(self.now_ms, self._next_step)
                self._next_step += self._rotate()
        self.now_ms = until
        self._advancing = False

    def write(self) -> None:
        step = len(self.written) + 1
        self._file.write(b"step %d loss: %.4f\n" % (step, 1.0 / step))
        self.written.append(step)

    def _rotate(self) -> float:
        if self._running is None:
            self._running = self._rotation(self)
            self.rotations += 1
        try:
            return next(self._running)
        except StopIteration:
            self._running = None
            return self._interval_ms

    def stop(self) -> None:
        """End the training, once the rotation that is under way has ended."""
        while self._running is not None:
            self.advance(1.0)
        self._stopped = True
        self._file.close()


class SlowFile(io.FileIO):
    """A file whose operations take time."""

    world: World

    def __init__(self, path: str) -> None:
        self.world.operation()
        super().__init__(path)

    def read(self, size: int | None = -1, /) -> bytes:
        self.world.operation()
        return super().read(-1 if size is None else size) or b""


def slow_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file operation of lensd one of the world's."""

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any) -> Any:
            world.operation()
            return function(*arguments)

        return operation

    slow_os = SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("_")})
    slow_os.stat, slow_os.fstat, slow_os.scandir = slow(os.stat), slow(os.fstat), slow(os.scandir)
    for module in MODULES:
        monkeypatch.setattr(import_module(module), "os", slow_os)
    file = type("SlowFileOfWorld", (SlowFile,), {"world": world})
    monkeypatch.setattr(import_module("lensd.tail.files"), "io", SimpleNamespace(FileIO=file))


# The kinds of rotation


def renamed(world: World) -> Iterator[float]:
    """Python's RotatingFileHandler: `.1` becomes `.2`, the log `.1`, one rename after the other."""
    yield from _shift(world.log, [""])
    os.rename(world.log, f"{world.log}.1")
    yield 1.0
    world.reopen()


def renamed_and_told_later(world: World) -> Iterator[float]:
    """logrotate with `create`: the writer goes on in the old file until it is told."""
    yield from _shift(world.log, [""])
    os.rename(world.log, f"{world.log}.1")
    yield 1.0
    world.log.touch()
    yield 7.0
    world.reopen()


def packed(world: World) -> Iterator[float]:
    """As above, and `.1` is packed into `.1.gz`, which takes a while."""
    yield from _shift(world.log, ["", ".gz"])
    os.rename(world.log, f"{world.log}.1")
    world.reopen()
    yield 2.0
    yield from _pack(Path(f"{world.log}.1"))


def copied(world: World) -> Iterator[float]:
    """logrotate with `copytruncate`."""
    yield from _shift(world.log, [""])
    yield from _copy_and_truncate(world, Path(f"{world.log}.1"))


def copied_to_a_date(world: World) -> Iterator[float]:
    """The same with `dateext` and `extension .log`."""
    yield from _copy_and_truncate(world, world.log.with_name(f"train-20260101-{world.rotations:06}.log"))


def dated(world: World) -> Iterator[float]:
    """logrotate with `dateext`."""
    os.rename(world.log, f"{world.log}-20260101{world.rotations:02}")
    yield 1.0
    world.reopen()


def dated_before_the_extension(world: World) -> Iterator[float]:
    """The same with `extension .log`."""
    os.rename(world.log, world.log.with_name(f"train-20260101-{world.rotations:06}.log"))
    yield 3.0
    world.reopen()


def by_seconds_and_packed(world: World) -> Iterator[float]:
    """logrotate with `dateformat -%s`, `extension .log` and `compress`."""
    target = world.log.with_name(f"train-{1_764_666_728 + world.rotations}.log")
    os.rename(world.log, target)
    world.reopen()
    yield 2.0
    yield from _pack(target)


def numbered_before_the_extension(world: World) -> Iterator[float]:
    """logrotate with `extension .log`: `train.1.log` becomes `train.2.log`."""
    for n in range(99, 0, -1):
        if (old := world.log.with_name(f"train.{n}.log")).exists():
            os.rename(old, world.log.with_name(f"train.{n + 1}.log"))
            yield 1.0
    os.rename(world.log, world.log.with_name("train.1.log"))
    yield 1.0
    world.reopen()


IN_PYTHON: list[Rotation] = [
    renamed,
    renamed_and_told_later,
    packed,
    copied,
    copied_to_a_date,
    dated,
    dated_before_the_extension,
    by_seconds_and_packed,
    numbered_before_the_extension,
]


def logrotate(*options: str) -> Rotation:
    """The real logrotate with these options."""

    def rotate(world: World) -> Iterator[float]:
        folder = world.log.parent
        (folder / ".conf").write_text("\n".join([f"{world.log} {{", "rotate 99", *options, "}"]))
        before = world.log.stat().st_ino
        command = ["logrotate", "-f", "-s", str(folder / ".state"), str(folder / ".conf")]
        subprocess.run(command, check=True)
        if "compress" not in options or "delaycompress" in options:
            yield 3.0  # the writer goes on in the old file, which packing at once would remove
        if not world.log.exists() or world.log.stat().st_ino != before:
            world.reopen()

    return rotate


def _shift(log: Path, ends: list[str]) -> Iterator[float]:
    for n in range(99, 0, -1):
        for end in ends:
            if (old := Path(f"{log}.{n}{end}")).exists():
                os.rename(old, f"{log}.{n + 1}{end}")
                yield 0.5


def _pack(path: Path) -> Iterator[float]:
    data = gzip.compress(path.read_bytes(), mtime=0)
    with open(f"{path}.gz", "wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        yield 4.0
        file.write(data[len(data) // 2 :])
    shutil.copystat(path, f"{path}.gz")
    yield 1.0
    path.unlink()


def _copy_and_truncate(world: World, target: Path) -> Iterator[float]:
    with world.log.open("rb") as source, target.open("wb", buffering=0) as copy:
        while data := source.read(100):
            copy.write(data)
            yield 0.5
        copied = source.tell()
    yield 2.0
    world.truncate(copied)
