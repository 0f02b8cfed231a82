"""Scalars as columns, and the plain way to read them: one record after another.

The plain reader is right for every record, and the fast one must agree with it; it takes a few microseconds a
record. Neither knows of files or cursors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from lensd.model import Fact, Floats, Ints, Points, Series
from lensd.tail.protobuf import WireError
from lensd_tensorboard.cursor import tag_digest
from lensd_tensorboard.event import parse
from lensd_tensorboard.frames import FRAME, LONG, FrameState, frame_at, payload_at
from lensd_tensorboard.hparams import hparams_of
from lensd_tensorboard.texts import text_facts

#: Wall times beyond the year 9999, and NaN, are damage that a checksum does not show.
LATEST_S = 253_402_300_799.0

#: Megatron-LM writes every scalar a second time, with samples (or steps) as its axis.
_OTHER_AXES = (" vs samples", " vs steps")

#: Called with the bytes of the block and the points of the whole read so far; true ends the read.
Stop = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True)
class Room:
    """How far a reader may go in a block.

    points: of the whole read, after which `stop` ends it. last: no block follows in this read, so that all
    whole records of this one have to be read.
    """

    stop: Stop
    points: int
    last: bool


#: Reads the records of a block. Returns where the first one begins that was not read: a torn or damaged one,
#: or the next one when `Room.stop` ended the read.
Reader = Callable[[bytes, "Scalars", Room], int]


@dataclass(slots=True, eq=False)
class TagPoints:
    """Points of one tag, in the order of their rows.

    row: ordinals of the records. wall_s: seconds since the epoch. tensor: they came as TF2 tensors. place: of
    the values among those of their record.
    """

    row: Ints
    wall_s: Floats
    step: Ints
    number: Floats
    tensor: bool
    place: int


@dataclass(slots=True)
class Scalars:
    """Everything that was read so far. foreign: tags that other plugins own, with the row that said so.
    others: how many histograms, images and sounds there were, by `histograms.TAG`. purge: the step from
    which on what was written before is void."""

    by_tag: dict[bytes, list[TagPoints]] = field(default_factory=dict)
    foreign: dict[bytes, int] = field(default_factory=dict)
    row: int = 0  # records seen, and the ordinal of the next
    points: int = 0
    matched: int = 0
    skipped: int = 0
    facts: dict[str, Fact] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    purge: int | None = None

    def add(self, tag: bytes, points: TagPoints) -> None:
        self.by_tag.setdefault(tag, []).append(points)
        self.points += len(points.row)

    def disown(self, tag: bytes, row: int) -> None:
        self.foreign[tag] = min(row, self.foreign.get(tag, row))

    def take(self, other: Scalars) -> None:
        """Add the scalars of the records that follow."""
        for tag, parts in other.by_tag.items():
            self.by_tag.setdefault(tag, []).extend(parts)
        for tag, row in other.foreign.items():
            self.disown(tag, row)
        self.row = other.row
        self.points += other.points
        self.matched += other.matched
        self.skipped += other.skipped
        self.facts.update(other.facts)
        self.others.update(other.others)
        self.purge = self.purge if other.purge is None else other.purge

    def series(self, prefix: str, foreign: set[bytes]) -> dict[str, Series]:
        """All points by name, in the order of first appearance.

        foreign: digests of the tags that other plugins already own; this adds new ones.
        """
        named: dict[str, list[TagPoints]] = {}
        dropped = False
        for tag, parts in self.by_tag.items():
            own = self._own(tag, parts, tag_digest(tag) in foreign)
            dropped |= own != parts
            if own:
                named.setdefault(tag.decode("utf-8", "backslashreplace"), []).extend(own)
        if dropped:
            rows = [part.row for parts in named.values() for part in parts]
            self.matched = len(np.unique(np.concatenate(rows))) if rows else 0
        foreign.update(tag_digest(tag) for tag in self.foreign)
        order = sorted(named.items(), key=lambda item: min((int(p.row[0]), p.place) for p in item[1]))
        return {
            prefix + name: Series(_points(parts), iterates=not name.endswith(_OTHER_AXES))
            for name, parts in order
        }

    @property
    def tensors(self) -> bool:
        return any(part.tensor for parts in self.by_tag.values() for part in parts)

    def _own(self, tag: bytes, parts: list[TagPoints], was_foreign: bool) -> list[TagPoints]:
        """The points of a tag, without its tensors from the row on in which another plugin took the tag."""
        since = -1 if was_foreign else self.foreign.get(tag)
        if since is None:
            return parts
        own = []
        for part in parts:
            count = int(np.searchsorted(part.row, since)) if part.tensor else len(part.row)
            if count == len(part.row):
                own.append(part)
            elif count:
                columns = (part.row[:count], part.wall_s[:count], part.step[:count], part.number[:count])
                own.append(TagPoints(*columns, part.tensor, part.place))
        return own


def _points(parts: list[TagPoints]) -> Points:
    row = np.concatenate([part.row for part in parts])
    ts_ms = np.concatenate([part.wall_s for part in parts]) * 1000.0
    step = np.concatenate([part.step for part in parts])
    number = np.concatenate([part.number for part in parts])
    if (row[1:] > row[:-1]).all():
        return Points(step, ts_ms, number, row)
    place = np.concatenate([np.full(len(part.row), part.place) for part in parts])
    order = np.lexsort((place, row))
    return Points(step[order], ts_ms[order], number[order], row[order])


class Collector:
    """Collects points one by one, and hands them over as columns."""

    def __init__(self) -> None:
        self._columns: dict[tuple[bytes, bool, int], tuple[list[int], list[float], list[int], list[float]]]
        self._columns = {}

    def read(self, payload: bytes | None, row: int, scalars: Scalars) -> int:
        """Take one record, None where its checksum is wrong; returns how many points it has."""
        if payload is None:
            scalars.skipped += 1
            return 0
        try:
            event = parse(payload)
        except WireError:
            scalars.skipped += 1
            return 0
        if not -LATEST_S <= event.wall_s <= LATEST_S:
            scalars.skipped += 1
            return 0
        if event.purges:
            scalars.purge = event.step
        for tag in event.foreign:
            scalars.disown(tag, row)
        for content in event.hparams:
            scalars.facts.update(hparams_of(content))
        for tag, text in event.texts:
            scalars.facts.update(text_facts(tag.decode("utf-8", "backslashreplace"), text))
        for kind, tag in event.others:
            scalars.others[f"{kind}.{tag.decode('utf-8', 'backslashreplace')}"] += 1
        for place, value in enumerate(event.values):
            columns = self._columns.setdefault((value.tag, value.tensor, place), ([], [], [], []))
            columns[0].append(row)
            columns[1].append(event.wall_s)
            columns[2].append(event.step)
            columns[3].append(value.number)
        scalars.matched += bool(event.values)
        return len(event.values)

    def flush(self, scalars: Scalars) -> None:
        for (tag, tensor, place), (row, wall_s, step, number) in self._columns.items():
            points = TagPoints(
                np.array(row, np.int64),
                np.array(wall_s, np.float64),
                np.array(step, np.int64),
                np.array(number, np.float64),
                tensor,
                place,
            )
            scalars.add(tag, points)
        self._columns.clear()


def read_singly(data: bytes, scalars: Scalars, stop: Stop, at: int = 0, most: int | None = None) -> int:
    """Read at most `most` records of a block from `at` on; returns where the next one begins.

    Ends before a torn or damaged frame, and after a record when `stop` says so.
    """
    collector = Collector()
    points, count = scalars.points, 0
    while most is None or count < most:
        state, length = frame_at(data, at)
        if state is not FrameState.WHOLE:
            break
        payload = payload_at(data, at, length) if length <= LONG else b""
        points += collector.read(payload, scalars.row, scalars)
        scalars.row += 1
        count += 1
        at += FRAME + length
        if stop(at, points):
            break
    collector.flush(scalars)
    return at


def read_records(data: bytes, scalars: Scalars, room: Room) -> int:
    """The plain reader of a block."""
    return read_singly(data, scalars, room.stop)


def read_frames(data: bytes, frames: Iterable[tuple[int, int, int]], scalars: Scalars) -> None:
    """Read the records at (row, start, length of payload), in the order of rows; does not count rows."""
    collector = Collector()
    for row, start, length in frames:
        collector.read(payload_at(data, start, length) if length <= LONG else b"", row, scalars)
    collector.flush(scalars)
