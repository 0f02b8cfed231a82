"""Finds the event files and W&B files that a command writes, wherever it writes them, and links them into its
run folder.

A file belongs to the command if one of its processes has it open, which only some systems tell, or if it is
new when the command ends and no other run has linked it. The links are hard links: a second name of the same
file, which stays when the first is removed.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from lensd.discovery import Roots
from lensd.platform import descendants, open_files

_WANDB = ".wandb"


class Gatherer:
    """Links event files and W&B files of a process's descendants into the folder `into`.

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
                if _is_record(os.path.basename(path)):
                    self._link(path)

    def finish(self) -> None:
        """Link new files below the root without a second name: those that were open too briefly to be
        seen."""
        self._stop.set()
        for file in Roots([str(self._root)]).files(_is_record):
            try:
                status = os.stat(file.path)
            except OSError:  # removed in the meantime
                continue
            # `files` also yields a root that is a file of another name.
            if _is_record(file.name) and status.st_mtime >= self._started_s and status.st_nlink == 1:
                self._link(file.path)

    def _link(self, path: str) -> None:
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self._seen or Path(path).is_relative_to(self._into):
                return
            self._seen.add((status.st_dev, status.st_ino))
            folder = self._into.joinpath(*self._folders(path))
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / os.path.basename(path)
            os.link(path, target)
            self.linked.append(target)
        except OSError:  # another file system: the daemon finds it under its own name
            return

    def _folders(self, path: str) -> tuple[str, ...]:
        """Where below the run folder a file is linked: in folders of the same names as it lies in, because
        these may tell its metrics or runs apart."""
        folder = Path(path).parent
        if path.endswith(_WANDB):
            return ("wandb", folder.name)
        if folder.is_relative_to(self._root):
            return ("tensorboard", *folder.relative_to(self._root).parts)
        return ("tensorboard", folder.name)


def _is_record(name: str) -> bool:
    return "tfevents" in name or name.endswith(_WANDB)
