"""The fast reader: whole steps at once, else records grouped by layout, else one by one.

Gives exactly what `scalars.read_singly` gives, checksums proven, only sooner. Chooses between the ways; how
each works is known to `periods`, `groups` and `scalars`.
"""

from __future__ import annotations

from lensd_tensorboard.fast.groups import read_grouped
from lensd_tensorboard.fast.periods import Period
from lensd_tensorboard.frames import FRAME, FrameState, frame_at
from lensd_tensorboard.scalars import Room, Scalars, read_singly

_SMALL = 4 << 10  # bytes that are sooner read record by record
_STRETCH = 16_384  # records that are grouped at a time
_AHEAD = 64  # records within which a known period usually comes again (an evaluation between two steps)
_TRIES = 4  # records at which a period is looked for, one after the other
_KNOWN = 8  # periods that are remembered within a block
_LONGEST_PAUSE = 16  # stretches


class BlockReader:
    """Reads blocks of one file. What it learns only makes it faster: everything is proven anew."""

    def __init__(self) -> None:
        self._known: list[Period] = []
        self._pause = 0  # stretches to be read before a period is looked for again
        self._waited = 0

    def __call__(self, data: bytes, found: Scalars, room: Room) -> int:
        """Records of a block from its beginning until told to stop or a torn or damaged frame; returns where
        the first one begins that was not read."""
        at = 0
        while len(data) - at >= _SMALL:
            period = self._known_at(data, at)
            ahead = 0 if period else self._next_known(data, at)
            if period is None and not ahead:
                if 2 * at > len(data) and not room.last:
                    return at  # what begins here shows better at the beginning of the next block
                if self._waited >= self._pause:
                    period = self._learn(data, at)
                    ahead = 0 if period else self._next_known(data, at)
            if period is not None:
                end = period.read(data, at, room.points - found.points, found)
                if end == at:  # room for a few points only, or damage in the first step
                    end = read_singly(data, found, room.stop, at, len(period.layouts))
            elif ahead:
                end = read_singly(data, found, room.stop, at, ahead)
            else:
                self._waited += 1
                end = _stretch(data, at, found, room)
            if end == at:
                return at
            at = end
            if room.stop(at, found.points):
                return at
        if at == len(data) or (at and not room.last):
            return at
        return read_singly(data, found, room.stop, at)

    def _known_at(self, data: bytes, at: int) -> Period | None:
        return next((period for period in self._known if period.begins_at(data, at)), None)

    def _next_known(self, data: bytes, at: int) -> int:
        """How many records are before the next known period; 0 if it is not near."""
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
        """The period that begins here, if there is one; one that begins soon is known from then on."""
        for count in range(_TRIES):
            period = Period.learn(data, at)
            if period is not None:
                self._known = [period, *self._known[: _KNOWN - 1]]
                self._pause = 0
                return period if count == 0 else None
            state, length = frame_at(data, at)
            if state is not FrameState.WHOLE:
                break
            at += FRAME + length
        # Looking for a period that is not there costs as much as some stretches: seldom, then.
        self._pause, self._waited = min(_LONGEST_PAUSE, self._pause * 2 or 1), 0
        return None


def _stretch(data: bytes, at: int, found: Scalars, room: Room) -> int:
    """The next few thousand records in groups, or one by one where the budget may end among them."""
    scratch = Scalars(row=found.row)
    end = read_grouped(data, at, _STRETCH, scratch)
    if found.points + scratch.points >= room.points:
        return read_singly(data, found, room.stop, at, _STRETCH)
    found.take(scratch)
    return end
