"""Reads the spool of the hook: what training could not send because no daemon answered.

Format: lensd's own, `lensd/hook/spool_format.py`. The workload is in the file's name, or where that is too
long in its header, as it is the one that training was given. The file disappears once the hook or `lensd hook
flush` has sent it; its points stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

from lensd.adapter import Budget, InputDead, InputGone
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Input, Restarts, SeriesBuilder
from lensd.wandb.spool import SUFFIX, add_line, is_header, workload_in, workload_of

#: A line is one log call. A file with a longer line is not a spool.
LONGEST_LINE = 32 << 20
_HEAD = 256
_LONGEST_HEADER = 1 << 16


class SpoolAdapter:
    """One input per run and process. A step that is written again replaces the earlier one, as for every
    push."""

    name = "wandb_spool"
    data_source = "wandb"

    def discover(self, roots: Roots) -> Iterable[Input]:
        for file in roots.files(lambda name: name.endswith(SUFFIX)):
            if not file.name.endswith(SUFFIX):  # a root may be a file of any name
                continue
            input = roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                restarts=Restarts.NEVER,
            )
            workload = workload_of(file.name) or _workload_in(file.path)
            if workload and not roots.workload:
                # Training was given this name, so no folder may claim it.
                why = "the workload that training was given"
                input = replace(input, workload=workload, folder="", why=why)
            yield input

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        try:
            with open(input.path, "rb") as file:
                return _read(file, cursor, budget, input)
        except FileNotFoundError as error:
            raise InputGone(f"{input.name} is gone: it was sent") from error

    def close(self) -> None:
        pass


def _workload_in(path: str) -> str | None:
    """The workload in the header, for a name that had to be cut."""
    try:
        with open(path, "rb") as file:
            return workload_in(file.readline(_LONGEST_HEADER))
    except OSError:
        return None


def _read(file: BinaryIO, cursor: bytes | None, budget: Budget, input: Input) -> Batch:
    """The next lines. The cursor is `offset length digest`: the digest of the first `length` bytes tells
    whether it is still the same file."""
    cursor_offset, length, digest = (cursor or b"0 0 -").split(b" ")
    start = int(cursor_offset)
    size = file.seek(0, 2)
    replaced = size < start or (start > 0 and _digest(file, int(length)) != digest)
    if replaced:
        start = 0
    file.seek(start)
    offset = start
    points, counts = SeriesBuilder(), Counts()
    while not counts.records or not budget.spent(offset - start, points.points):
        line = file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            if len(line) >= LONGEST_LINE:
                raise InputDead(f"{input.name} holds a line of over {LONGEST_LINE >> 20} MiB")
            break  # torn, or still being written
        counts.records += 1
        if offset > 0 or not is_header(line):
            add_line(line, points, counts)
        offset += len(line)
    counts.bytes = offset - start
    head = min(offset, _HEAD)
    return Batch(
        b"%d %d %b" % (offset, head, _digest(file, head)),
        points.build(input.prefix),
        counts=counts,
        more=counts.records > 0 and offset < size,
        restart=replaced,
        lag_bytes=max(0, size - offset),
        log_format="lensd-spool",
    )


def _digest(file: BinaryIO, length: int) -> bytes:
    file.seek(0)
    return hashlib.blake2s(file.read(length), digest_size=8).hexdigest().encode()
