"""Finds the event files that a command writes, wherever it writes them, and links them into its run folder.

A file belongs to the command if one of its processes has it open, which only some systems tell, or if it is
new when the command ends and no other run has linked it. The links are hard links: a second name of the same
file, which stays when the first is removed.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from lensd.discovery import File, Roots
from lensd.platform import descendants, open_files


class Gatherer:
    """Links event files of a process's descendants into the folder `into`.

    root: what the daemon serves. started_s: when the command started, in seconds since the epoch.
    """

    def __init__(self, root: Path, into: Path, started_s: float) -> None:
        self.linked: list[Path] = []
        self._root, self._into, self._started_s = root, into, started_s
        self._seen: set[tuple[int, int]] = set()  # device and inode
        self._stop = threading.Event()

    def watch(self, process: int) -> threading.Thread:
        """Look for files every half second until `finish`."""

        def look() -> None:
            while not self._stop.wait(0.5):
                self.look_at(process)

        thread = threading.Thread(target=look, name="lensd-run-gather", daemon=True)
        # Threads inherit the mask: signals are for the thread that passes them on to the command.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return thread

    def look_at(self, process: int) -> None:
        """Link what the descendants of a process have open now."""
        for descendant in descendants(process):
            for path in open_files(descendant):
                if _is_event_file(os.path.basename(path)):
                    self._link(path)

    def finish(self) -> None:
        """Link new files below the root without a second name: those that were open too briefly to be
        seen."""
        self._stop.set()
        for file in Roots([str(self._root)]).files(_is_event_file):
            try:
                status = os.stat(file.path)
            except OSError:  # removed in the meantime
                continue
            # `files` also yields a root that is a file of another name.
            if _is_event_file(file.name) and status.st_mtime >= self._started_s and status.st_nlink == 1:
                self._link(file.path)

    def _link(self, path: str) -> None:
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self._seen or Path(path).is_relative_to(self._into):
                return
            self._seen.add((status.st_dev, status.st_ino))
            folder = self._into.joinpath(*self._inner_folders(path, status))
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / os.path.basename(path)
            os.link(path, target)
            self.linked.append(target)
        except OSError:  # another file system: the daemon finds it under its own name
            return

    def _inner_folders(self, path: str, status: os.stat_result) -> tuple[str, ...]:
        """The folders that are part of the metric names when the daemon finds the file where it is."""
        if not Path(path).is_relative_to(self._root):
            return ()
        parts = Path(path).relative_to(self._root).parts
        name = parts[-1]
        file = File(path, str(self._root), parts[:-1], name, status.st_size, status.st_mtime_ns)
        return Roots([str(self._root)]).claim(file).inner


def _is_event_file(name: str) -> bool:
    return "tfevents" in name
