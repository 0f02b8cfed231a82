"""What comes through a pipe (`... | lensd serve -`), kept in a file and read like any log.

The database holds points, the file the lines: with both, the log of the run can be read and read anew later.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from lensd.cli.exit import USAGE, fail
from lensd.config import data_folder

PIPE = "-"
_SIZE = 1 << 16

name_option = click.option(
    "--name",
    metavar="NAME",
    help="With `-`: the name of what comes through the pipe, and of its run without --workload."
    "  [default: pipe]",
)


class Pipe:
    """Copies standard input into a file until it ends. folder: that of the file, to be read as a run."""

    def __init__(self, db: str | None, name: str | None, workload: str | None) -> None:
        name = name or "pipe"
        for flag, text in (("--name", name), ("--workload", workload)):
            if text and (text in (".", "..") or {"/", "\0"} & set(text)):
                fail(USAGE, f"{flag} {text}: it names a file, and must be without a slash")
        if os.isatty(0):
            fail(USAGE, "nothing comes through a pipe: `-` is for `kubectl logs -f pod | lensd serve -`")
        base = f"{db}.pipes" if db else os.path.join(data_folder(), "pipes")
        self.folder = Path(base, workload or name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / f"{name}.log").open("ab", buffering=0)
        # Not Python's own buffer of standard input: the interpreter would wait for it at the end.
        self._thread = threading.Thread(target=self._copy, name="lensd-pipe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Until standard input has ended."""
        self._thread.join()

    def _copy(self) -> None:
        with self._file:
            while piece := os.read(0, _SIZE):
                self._file.write(piece)


@contextlib.contextmanager
def piped(
    paths: Sequence[str], db: str | None, name: str | None, workload: str | None, *, whole: bool
) -> Iterator[tuple[str, ...]]:
    """The paths, with the folder of what comes through the pipe in the place of `-`. whole: wait for its end
    first."""
    if PIPE not in paths:
        if name:
            fail(USAGE, "--name is for what comes through a pipe: `... | lensd serve -`")
        yield tuple(paths)
        return
    pipe = Pipe(db, name, workload)
    pipe.start()
    if whole:
        pipe.wait()
    yield tuple(str(pipe.folder) if path == PIPE else path for path in paths)
