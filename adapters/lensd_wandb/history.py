"""Rows of history, read item by item.

This is the plain reader: right for every row, and what the reader of whole columns (`fast.rows`) must agree
with.
"""

from __future__ import annotations

from lensd.model import SeriesBuilder
from lensd.tail.protobuf import BYTES, VARINT, WireError, fields
from lensd.wandb.values import (
    BOOKKEEPING,
    RUNTIME,
    STEP,
    TIMESTAMP,
    leaves,
    milliseconds,
    name_of,
    number_of,
    step_of,
)
from lensd_wandb.items import items

#: HistoryRecord: the number of its items and of its step.
ITEM_FIELD, STEP_FIELD = 1, 2


class History:
    """Puts rows of history into a SeriesBuilder.

    step, ts_ms: of the last row; before the first, the time at which the run started. start_ms: of that.
    matched: rows that had metrics. pending: values that `finish` is going to add.
    """

    def __init__(
        self,
        points: SeriesBuilder,
        step: int | None,
        ts_ms: float | None = None,
        start_ms: float | None = None,
    ) -> None:
        self.step, self.ts_ms, self.start_ms = step, ts_ms, start_ms
        self.matched = 0
        self._builder = points
        self._clear()

    def add(self, record: bytes, begin: int, end: int, row: int) -> bool:
        """Take the HistoryRecord between `begin` and `end`; false where it has no valid step.

        A row without a time has that of the run's start and its `_runtime`, else that of the row before.

        row: its ordinal in the batch.
        """
        try:
            values = items(record, begin, end, ITEM_FIELD)
            step = step_of(values.get((STEP,), _step_field(record, begin, end)))
        except WireError:
            return False
        ts_ms = milliseconds(values.get((TIMESTAMP,)))
        if ts_ms is None:
            seconds = number_of(values.get((RUNTIME,)))
            if self.start_ms is None or seconds is None or not 0 <= seconds < 1e9:
                ts_ms = self.ts_ms
            else:
                ts_ms = self.start_ms + seconds * 1000.0
        if step is None or ts_ms is None:
            return False
        self.step, self.ts_ms, self._builder.row = step, ts_ms, row
        before = self._builder.points
        for path, value in values.items():
            if path[0] not in BOOKKEEPING:
                for leaf, inner in leaves(path, value):
                    number = number_of(inner)
                    if number is not None:
                        self._builder.add(name_of(leaf), step, ts_ms, number)
        self.matched += self._builder.points > before
        return True

    def started(self, ts_ms: float) -> None:
        """The time at which the run started is known."""
        self.start_ms = ts_ms
        if self.ts_ms is None:
            self.ts_ms = ts_ms

    def finish(self) -> None:
        """Add everything that is pending."""

    def _clear(self) -> None:
        self.pending = 0


def _step_field(record: bytes, begin: int, end: int) -> int | None:
    """The step outside the items, which older SDKs write; None where there is none."""
    for number, kind, _, first, last in fields(record, begin, end):
        if number == STEP_FIELD and kind == BYTES:
            for inner, inner_kind, value, _, _ in fields(record, first, last):
                if inner == 1 and inner_kind == VARINT:
                    return value
            return 0  # a zero is not written
    return None
