"""Windows: the stretches in which the points of a part are read, described without decoding them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from lensd.store.columns import Columns, joined
from lensd.store.plan import Part
from lensd.store.step_clock import StepClock


class ChunkInfo(msgspec.Struct, array_like=True, frozen=True):
    """A sealed chunk as its row describes it; the fields are the columns of CHUNK_INFO.

    finite: how many of its values are finite. ascending: whether its steps strictly increase. version: that
    of its newest point.
    """

    id: int
    points: int
    finite: int
    ascending: int
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float
    version: int


#: The columns of a chunk's row that describe it.
CHUNK_INFO = ", ".join(ChunkInfo.__struct_fields__)


@dataclass(slots=True)
class StepWindow:
    """Consecutive chunks (and the head) of a part whose steps overlap, so that they must be read together.

    clock: whose times its points are shown at, if not at their own.
    """

    chunks: list[ChunkInfo]
    head: Columns | None
    min_step: int
    max_step: int
    min_ts: float
    max_ts: float
    clock: StepClock | None = None

    @classmethod
    def of_chunk(cls, chunk: ChunkInfo) -> StepWindow:
        return cls([chunk], None, chunk.min_step, chunk.max_step, chunk.min_ts, chunk.max_ts)

    @classmethod
    def of_head(cls, head: Columns) -> StepWindow:
        steps, times = head.step, head.ts_ms
        return cls([], head, int(steps.min()), int(steps.max()), float(times.min()), float(times.max()))

    @property
    def points(self) -> int:
        """How many points were written in it."""
        return sum(chunk.points for chunk in self.chunks) + (len(self.head) if self.head else 0)

    @property
    def only_chunk(self) -> ChunkInfo | None:
        """Its chunk, where that is all there is and holds each step once, in order; else None."""
        if self.head is None and len(self.chunks) == 1 and self.chunks[0].ascending:
            return self.chunks[0]
        return None

    def within(self, part: Part) -> bool:
        """Whether the part shows all of its steps."""
        return part.lo <= self.min_step and self.max_step < part.hi

    def may_be_newer(self, version: int) -> bool:
        """Whether it may hold points that were stored after `version`."""
        if self.clock is not None and self.clock.is_newer(version, self.min_step, self.max_step):
            return True
        return self.head is not None or any(chunk.version > version for chunk in self.chunks)

    def timed(self, clock: StepClock) -> StepWindow:
        """The same points at the times of a clock."""
        min_ts, max_ts = clock.span(self.min_step, self.max_step, self.min_ts, self.max_ts)
        return replace(self, min_ts=min_ts, max_ts=max_ts, clock=clock)


def disjoint(windows: list[StepWindow]) -> list[StepWindow]:
    """Windows in ascending order of steps, those that overlap merged into one. Chunks stay in the order
    written."""
    result: list[StepWindow] = []
    for window in sorted(windows, key=lambda w: w.min_step):
        if result and window.min_step <= result[-1].max_step:
            window = _merged(result.pop(), window)
        result.append(window)
    return result


def _merged(first: StepWindow, second: StepWindow) -> StepWindow:
    heads = [window.head for window in (first, second) if window.head is not None]
    return StepWindow(
        sorted(first.chunks + second.chunks, key=lambda chunk: chunk.id),
        joined(heads) if heads else None,
        min(first.min_step, second.min_step),
        max(first.max_step, second.max_step),
        min(first.min_ts, second.min_ts),
        max(first.max_ts, second.max_ts),
    )
