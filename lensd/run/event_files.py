"""Finds the event files that a command writes, wherever it writes them, and links them into its run folder.

They are told apart from those of other runs by who has them open (`/proc`), and at the end by being new and
claimed by nobody. The links are hard links: the same file under a second name, which grows with it and
outlives its removal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from lensd.discovery import File, Roots


class Gatherer:
    """Gathers files of a process and its descendants into `into`. `wanted` judges by name."""

    def __init__(self, root: Path, into: Path, started: float, wanted: Callable[[str], bool]) -> None:
        self.linked: list[Path] = []
        self._root, self._into, self._started, self._wanted = root, into, started, wanted
        self._seen: set[tuple[int, int]] = set()
        self._stop = threading.Event()

    def watch(self, process: int) -> threading.Thread:
        """Look for files every half second until `finish`."""

        def look() -> None:
            while not self._stop.wait(0.5):
                self.look_at(process)

        thread = threading.Thread(target=look, name="lensd-run-gather", daemon=True)
        thread.start()
        return thread

    def look_at(self, process: int) -> None:
        """Link what the descendants of a process have open now."""
        for each in descendants(process):
            for path in open_files(each):
                if self._wanted(os.path.basename(path)):
                    self._link(path)

    def finish(self) -> None:
        """Link what is new below the root and has no second name yet: files that were open too short to be
        seen."""
        self._stop.set()
        for file in Roots([str(self._root)]).files(self._wanted):
            try:
                status = os.stat(file.path)
            except OSError:  # gone in the meantime
                continue
            if self._wanted(file.name) and status.st_mtime >= self._started and status.st_nlink == 1:
                self._link(file.path)

    def _link(self, path: str) -> None:
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self._seen or Path(path).is_relative_to(self._into):
                return
            self._seen.add((status.st_dev, status.st_ino))
            place = self._into.joinpath(*self._inner(path, status))
            place.mkdir(parents=True, exist_ok=True)
            target = place / os.path.basename(path)
            os.link(path, target)
            self.linked.append(target)
        except OSError:  # another file system: the daemon finds it under its own name
            return

    def _inner(self, path: str, status: os.stat_result) -> tuple[str, ...]:
        """The folders that would be part of its metrics' names if the daemon found it where it lies."""
        if not Path(path).is_relative_to(self._root):
            return ()
        parts = Path(path).relative_to(self._root).parts
        name = parts[-1]
        file = File(path, str(self._root), parts[:-1], name, status.st_size, status.st_mtime_ns)
        return Roots([str(self._root)]).claim(file).inner


def descendants(process: int) -> Iterator[int]:
    """The processes that descend from this one, and not itself."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{process}/task/{thread}/children") as file:
                children = [int(each) for each in file.read().split()]
        except (OSError, ValueError):
            continue
        for child in children:
            yield child
            yield from descendants(child)


def open_files(process: int) -> Iterator[str]:
    """The regular files that a process has open."""
    try:
        entries = list(os.scandir(f"/proc/{process}/fd"))
    except OSError:
        return
    for entry in entries:
        try:
            path = os.readlink(entry.path)
        except OSError:
            continue
        if path.startswith("/") and not path.endswith(" (deleted)"):
            yield path
