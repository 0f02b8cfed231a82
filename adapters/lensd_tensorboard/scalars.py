"""What reading gives, as pieces of columns, and the plain way to get it: one record after another.

The plain reader is right in every case and is what the block reader is held to; it takes a few microseconds a
record. Neither knows of files or cursors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from lensd.model import Fact, Floats, Ints, Points, Series
from lensd.tail.protobuf import WireError
from lensd_tensorboard.cursor import tag_digest
from lensd_tensorboard.event import parse
from lensd_tensorboard.frames import FRAME, LONG, FrameState, frame_at, payload_at
from lensd_tensorboard.hparams import hparams_of

#: Wall times beyond the year 9999 (or none at all: NaN) are damage that a checksum does not show.
LATEST_S = 253_402_300_799.0

#: Megatron-LM writes every scalar a second time with samples (or steps) as its axis.
_OTHER_AXES = (" vs samples", " vs steps")

#: Told how many bytes of the block and how many points (of the whole read) are used; true ends the read.
Stop = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True)
class Room:
    """How far a reader may go in a block. points: of the whole read, after which `stop` ends it. last: no
    block follows in this read, so that nothing whole may be left over at the end of this one."""

    stop: Stop
    points: int
    last: bool


#: Reads the records of a block; returns where the first one begins that was not read: a torn or damaged one,
#: or the one after `Room.stop` told to stop.
Reader = Callable[[bytes, "Scalars", Room], int]


@dataclass(slots=True, eq=False)
class TagPoints:
    """Points of one tag, in the order of their rows (ordinals of records). wall_s in seconds since the epoch;
    place: the first value's place among those of its record."""

    row: Ints
    wall_s: Floats
    step: Ints
    number: Floats
    tensor: bool
    place: int


@dataclass(slots=True)
class Scalars:
    """Everything found so far. foreign: tags that other plugins own, with the row that said so."""

    pieces: dict[bytes, list[TagPoints]] = field(default_factory=dict)
    foreign: dict[bytes, int] = field(default_factory=dict)
    row: int = 0  # records seen, and the ordinal of the next
    points: int = 0
    matched: int = 0
    skipped: int = 0
    facts: dict[str, Fact] = field(default_factory=dict)

    def add(self, tag: bytes, piece: TagPoints) -> None:
        self.pieces.setdefault(tag, []).append(piece)
        self.points += len(piece.row)

    def disown(self, tag: bytes, row: int) -> None:
        self.foreign[tag] = min(row, self.foreign.get(tag, row))

    def take(self, other: Scalars) -> None:
        """Add what was found in the records that follow."""
        for tag, pieces in other.pieces.items():
            self.pieces.setdefault(tag, []).extend(pieces)
        for tag, row in other.foreign.items():
            self.disown(tag, row)
        self.row = other.row
        self.points += other.points
        self.matched += other.matched
        self.skipped += other.skipped
        self.facts.update(other.facts)

    def series(self, prefix: str, foreign: set[bytes]) -> dict[str, Series]:
        """All points under their names, in order of first appearance.

        foreign: digests of tags that were other plugins' before; those that became so are added to it.
        """
        named: dict[str, list[TagPoints]] = {}
        dropped = False
        for tag, pieces in self.pieces.items():
            kept = self._own(tag, pieces, tag_digest(tag) in foreign)
            dropped |= kept != pieces
            if kept:
                named.setdefault(tag.decode("utf-8", "backslashreplace"), []).extend(kept)
        if dropped:
            rows = [piece.row for pieces in named.values() for piece in pieces]
            self.matched = len(np.unique(np.concatenate(rows))) if rows else 0
        foreign.update(tag_digest(tag) for tag in self.foreign)
        order = sorted(named.items(), key=lambda item: min((int(p.row[0]), p.place) for p in item[1]))
        return {
            prefix + name: Series(_points(pieces), iterates=not name.endswith(_OTHER_AXES))
            for name, pieces in order
        }

    @property
    def tensors(self) -> bool:
        return any(piece.tensor for pieces in self.pieces.values() for piece in pieces)

    def _own(self, tag: bytes, pieces: list[TagPoints], was_foreign: bool) -> list[TagPoints]:
        """The pieces without tensors of a tag that another plugin owns."""
        since = -1 if was_foreign else self.foreign.get(tag)
        if since is None:
            return pieces
        kept = []
        for piece in pieces:
            count = int(np.searchsorted(piece.row, since)) if piece.tensor else len(piece.row)
            if count == len(piece.row):
                kept.append(piece)
            elif count:
                columns = (piece.row[:count], piece.wall_s[:count], piece.step[:count], piece.number[:count])
                kept.append(TagPoints(*columns, piece.tensor, piece.place))
        return kept


def _points(pieces: list[TagPoints]) -> Points:
    row = np.concatenate([piece.row for piece in pieces])
    ts_ms = np.concatenate([piece.wall_s for piece in pieces]) * 1000.0
    step = np.concatenate([piece.step for piece in pieces])
    number = np.concatenate([piece.number for piece in pieces])
    if (row[1:] > row[:-1]).all():
        return Points(step, ts_ms, number, row)
    place = np.concatenate([np.full(len(piece.row), piece.place) for piece in pieces])
    order = np.lexsort((place, row))
    return Points(step[order], ts_ms[order], number[order], row[order])


class Collector:
    """Gathers points one by one and hands them over as pieces."""

    def __init__(self) -> None:
        self._columns: dict[tuple[bytes, bool, int], tuple[list[int], list[float], list[int], list[float]]]
        self._columns = {}

    def read(self, payload: bytes | None, row: int, found: Scalars) -> int:
        """One record, None where its checksum does not hold; returns how many points it gave."""
        if payload is None:
            found.skipped += 1
            return 0
        try:
            event = parse(payload)
        except WireError:
            found.skipped += 1
            return 0
        if not -LATEST_S <= event.wall_s <= LATEST_S:
            found.skipped += 1
            return 0
        for tag in event.foreign:
            found.disown(tag, row)
        for told in event.hparams:
            found.facts.update(hparams_of(told))
        for place, value in enumerate(event.values):
            columns = self._columns.setdefault((value.tag, value.tensor, place), ([], [], [], []))
            columns[0].append(row)
            columns[1].append(event.wall_s)
            columns[2].append(event.step)
            columns[3].append(value.number)
        found.matched += bool(event.values)
        return len(event.values)

    def flush(self, found: Scalars) -> None:
        for (tag, tensor, place), (row, wall_s, step, number) in self._columns.items():
            piece = TagPoints(
                np.array(row, np.int64),
                np.array(wall_s, np.float64),
                np.array(step, np.int64),
                np.array(number, np.float64),
                tensor,
                place,
            )
            found.add(tag, piece)
        self._columns.clear()


def read_singly(data: bytes, found: Scalars, stop: Stop, at: int = 0, most: int | None = None) -> int:
    """Records of a block from `at` on, at most `most`; returns where the first one begins that was not read.

    Ends before a torn or damaged frame, and when told to stop.
    """
    collector = Collector()
    points, count = found.points, 0
    while most is None or count < most:
        state, length = frame_at(data, at)
        if state is not FrameState.WHOLE:
            break
        payload = payload_at(data, at, length) if length <= LONG else b""
        points += collector.read(payload, found.row, found)
        found.row += 1
        count += 1
        at += FRAME + length
        if stop(at, points):
            break
    collector.flush(found)
    return at


def read_records(data: bytes, found: Scalars, room: Room) -> int:
    """The plain reader of a block."""
    return read_singly(data, found, room.stop)


def read_frames(data: bytes, frames: Iterable[tuple[int, int, int]], found: Scalars) -> None:
    """Records given by (row, start, length of payload), in order of rows; does not count rows."""
    collector = Collector()
    for row, start, length in frames:
        collector.read(payload_at(data, start, length) if length <= LONG else b"", row, found)
    collector.flush(found)
