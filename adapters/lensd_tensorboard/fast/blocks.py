"""The fast reader: reads whole steps at once, or records grouped by layout, or one by one.

The result is exactly that of `scalars.read_singly`, with all checksums verified. This module chooses the way;
`periods`, `groups` and `scalars` implement them.
"""

from __future__ import annotations

from lensd_tensorboard.fast.groups import read_grouped
from lensd_tensorboard.fast.periods import Period
from lensd_tensorboard.frames import FRAME, FrameState, frame_at
from lensd_tensorboard.scalars import Room, Scalars, read_singly

_SMALL = 4 << 10  # bytes that are faster to read record by record
_STRETCH = 16_384  # records that are grouped at a time
_AHEAD = 64  # records within which a known period usually comes again, after an evaluation
_TRIES = 4  # successive records at which to look for a period
_MAX_KNOWN = 8  # periods to remember
_LONGEST_PAUSE = 16  # stretches


class PeriodReader:
    """Reads blocks of one file. What it learns only makes it faster: every record is verified again."""

    def __init__(self) -> None:
        self._known: list[Period] = []
        self._pause = 0  # stretches to read before looking for a period again
        self._waited = 0

    def __call__(self, data: bytes, scalars: Scalars, room: Room) -> int:
        """Read a block until `room` ends or a torn or damaged frame; returns where the first record begins
        that was not read."""
        at = 0
        while len(data) - at >= _SMALL:
            period = self._known_at(data, at)
            ahead = 0 if period else self._next_known(data, at)
            if period is None and not ahead:
                if 2 * at > len(data) and not room.last:
                    return at  # the next block begins here and shows more of what follows
                if self._waited >= self._pause:
                    period = self._learn(data, at)
                    ahead = 0 if period else self._next_known(data, at)
            if period is not None:
                end = period.read(data, at, room.points - scalars.points, scalars)
                if end == at:  # there is room for a few points only, or the first step is damaged
                    end = read_singly(data, scalars, room.stop, at, len(period.layouts))
            elif ahead:
                end = read_singly(data, scalars, room.stop, at, ahead)
            else:
                self._waited += 1
                end = _stretch(data, at, scalars, room)
            if end == at:
                return at
            at = end
            if room.stop(at, scalars.points):
                return at
        if at == len(data) or (at and not room.last):
            return at
        return read_singly(data, scalars, room.stop, at)

    def _known_at(self, data: bytes, at: int) -> Period | None:
        return next((period for period in self._known if period.begins_at(data, at)), None)

    def _next_known(self, data: bytes, at: int) -> int:
        """How many records come before the next known period; 0 if it is not near."""
        if not self._known:
            return 0
        most = max(_AHEAD, *(len(period.layouts) for period in self._known))
        for count in range(1, most + 1):
            state, length = frame_at(data, at)
            if state is not FrameState.WHOLE:
                return 0
            at += FRAME + length
            if self._known_at(data, at) is not None:
                return count
        return 0

    def _learn(self, data: bytes, at: int) -> Period | None:
        """The period that begins at `at`, if there is one. One that begins soon after is only remembered."""
        for count in range(_TRIES):
            period = Period.learn(data, at)
            if period is not None:
                self._known = [period, *self._known[: _MAX_KNOWN - 1]]
                self._pause = 0
                return period if count == 0 else None
            state, length = frame_at(data, at)
            if state is not FrameState.WHOLE:
                break
            at += FRAME + length
        # A search in vain costs as much as some stretches, so each one is followed by a longer pause.
        self._pause, self._waited = min(_LONGEST_PAUSE, self._pause * 2 or 1), 0
        return None


def _stretch(data: bytes, at: int, scalars: Scalars, room: Room) -> int:
    """Read the next few thousand records in groups, or one by one where the budget may end among them."""
    scratch = Scalars(row=scalars.row)
    end = read_grouped(data, at, _STRETCH, scratch)
    if scalars.points + scratch.points >= room.points:
        return read_singly(data, scalars, room.stop, at, _STRETCH)
    scalars.take(scratch)
    return end
