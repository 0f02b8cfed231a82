"""The fast reader: whole steps at once, else records grouped by layout, else one by one.

Gives exactly what `scalars.read_singly` gives, checksums proven, only sooner. Chooses between the ways; how
each works is known to `periods`, `groups` and `scalars`.
"""

from __future__ import annotations

from lensd_tensorboard.frames import FRAME, State, frame_at
from lensd_tensorboard.groups import read_grouped
from lensd_tensorboard.periods import Period
from lensd_tensorboard.scalars import Scalars, Stop, read_singly

_SMALL = 4 << 10  # bytes that are sooner read record by record
_STRETCH = 4096  # records that are grouped at a time
_AHEAD = 64  # records within which a known period usually comes again (an evaluation between two steps)
_TRIES = 4  # records at which a period is looked for, one after the other
_KNOWN = 8  # periods that are remembered within a block
_LONGEST_PAUSE = 16  # stretches


def read_blocks(data: bytes, found: Scalars, stop: Stop, most_points: int) -> int:
    """Records of a block from its beginning until `stop` or a torn or damaged frame; returns where the first
    one begins that was not read."""
    known: list[Period] = []
    at = pause = waited = 0
    while len(data) - at >= _SMALL:
        period = _known_at(known, data, at)
        if period is not None:
            end = period.read(data, at, most_points - found.points, found)
            if end == at:  # room for a few points only, or damage in the first step
                end = read_singly(data, found, stop, at, len(period.layouts))
        elif ahead := _next_known(known, data, at):
            end = read_singly(data, found, stop, at, ahead)
        elif waited < pause:
            waited += 1
            end = _stretch(data, at, found, stop, most_points)
        else:
            records, period = _learn(data, at)
            if period is None:
                # Looking for a period that is not there costs as much as some stretches: seldom, then.
                pause, waited = min(_LONGEST_PAUSE, pause * 2 or 1), 0
                continue
            known, pause = [period, *known[: _KNOWN - 1]], 0
            if not records:
                continue
            end = read_singly(data, found, stop, at, records)
        if end == at:
            return at
        at = end
        if stop(at, found.points):
            return at
    return read_singly(data, found, stop, at) if at < len(data) else at


def _known_at(known: list[Period], data: bytes, at: int) -> Period | None:
    return next((period for period in known if period.begins_at(data, at)), None)


def _next_known(known: list[Period], data: bytes, at: int) -> int:
    """How many records are before the next known period; 0 if it is not near."""
    if not known:
        return 0
    for count in range(1, _AHEAD):
        state, length = frame_at(data, at)
        if state is not State.WHOLE:
            return 0
        at += FRAME + length
        if _known_at(known, data, at) is not None:
            return count
    return 0


def _learn(data: bytes, at: int) -> tuple[int, Period | None]:
    """A period that begins at one of the next records, and how many are before it."""
    for count in range(_TRIES):
        period = Period.learn(data, at)
        if period is not None and period.begins_at(data, at):
            return count, period
        state, length = frame_at(data, at)
        if state is not State.WHOLE:
            break
        at += FRAME + length
    return 0, None


def _stretch(data: bytes, at: int, found: Scalars, stop: Stop, most_points: int) -> int:
    """The next few thousand records in groups, or one by one where the budget may end among them."""
    scratch = Scalars(row=found.row)
    end = read_grouped(data, at, _STRETCH, scratch)
    if found.points + scratch.points >= most_points:
        return read_singly(data, found, stop, at, _STRETCH)
    found.take(scratch)
    return end
