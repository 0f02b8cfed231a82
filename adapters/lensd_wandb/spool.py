"""Reads the spool of `lensd.hook`: what training could not send because no daemon answered.

Lines of JSON; `lensd/hook/spool.py` writes them and docs/wandb.md describes them. The workload is the one
that training was told, which the file's name holds. The file goes away once the hook, or `lensd hook flush`,
has sent it; its points stay.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from lensd.adapter import Budget, InputDead, InputGone
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Input, Restarts, SeriesBuilder

SUFFIX = ".lensd-spool"

#: A line is one log call; one longer than this is no spool's.
LONGEST_LINE = 32 << 20
_HEAD = 256


class SpoolAdapter:
    """One input per run and process. Steps that are written again replace what was there, as for every
    push."""

    name = "wandb_spool"
    data_source = "wandb"

    def discover(self, roots: Roots) -> Iterable[Input]:
        for file in roots.files(lambda name: name.endswith(SUFFIX)):
            if not file.name.endswith(SUFFIX):  # a file that the user named
                continue
            found = roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                restarts=Restarts.NEVER,
            )
            told = file.name.removesuffix(SUFFIX).split("@")
            if len(told) == 3 and told[0] and not roots.workload:
                # The user has named it, though not to this daemon: no folder claims it.
                why = "the workload that training was given"
                found = replace(found, workload=unquote(told[0]), folder="", why=why)
            yield found

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        try:
            with open(input.path, "rb") as file:
                return _read(file, cursor, budget, input)
        except FileNotFoundError as error:
            raise InputGone(f"{input.name} is gone: it was sent") from error

    def close(self) -> None:
        pass


def _read(file: Any, cursor: bytes | None, budget: Budget, input: Input) -> Batch:
    at, length, digest = (cursor or b"0 0 -").split(b" ")
    offset = int(at)
    size = file.seek(0, 2)
    replaced = size < offset or (offset > 0 and _digest(file, int(length)) != digest)
    if replaced:
        offset = 0
    file.seek(offset)
    points, counts = SeriesBuilder(), Counts()
    start = offset
    while not counts.records or not budget.spent(offset - start, points.points):
        line = file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            if len(line) >= LONGEST_LINE:
                raise InputDead(f"{input.name} holds a line of over {LONGEST_LINE >> 20} MiB")
            break  # its end is still to come
        offset += len(line)
        counts.records += 1
        _take(line, points, counts, first=offset == len(line))
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


def _take(line: bytes, points: SeriesBuilder, counts: Counts, *, first: bool) -> None:
    points.next_row()
    try:
        row = json.loads(line)
        if "detection" in row or (first and "format" in row):
            return
        step, ts_ms = int(row["step"]), float(row["timestamp"]) * 1000.0
        if not math.isfinite(ts_ms) or abs(step) >= 1 << 62:
            raise ValueError("no step or time")
        values = {str(name): float(value) for name, value in row["metrics"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        counts.unparsed += 1
        return
    for name, value in values.items():
        points.add(name, step, ts_ms, value)
    counts.matched += 1


def _digest(file: Any, length: int) -> bytes:
    file.seek(0)
    return hashlib.blake2s(file.read(length), digest_size=8).hexdigest().encode()
