"""Points of a workload as text, for `lensd export`."""

from __future__ import annotations

import csv
from typing import IO, Literal

import msgspec

from lensd.query.lens import points
from lensd.query.results import Selection
from lensd.store.reader import Reader

COLUMNS = ("metric_name", "data_source", "iteration", "timestamp", "value")


def write_points(reader: Reader, uid: str, form: str, attempt: str, out: IO[str]) -> None:
    """All finite points as CSV with a header, or as one JSON object a line; times are UTC milliseconds.

    attempt: `current`, `all` or a number; all but `current` add a column that tells it.
    """
    chosen: Literal["current", "all"] | int
    chosen = int(attempt) if attempt.isdigit() else ("all" if attempt == "all" else "current")
    _, slices = points(reader, uid, Selection(attempt=chosen))
    columns = COLUMNS if chosen == "current" else (*COLUMNS, "attempt")
    table = csv.writer(out, lineterminator="\n")
    if form == "csv":
        table.writerow(columns)
    for each in slices:
        names = (each.metric_name, each.data_source)
        for row in zip(each.iteration.tolist(), each.ts_ms.tolist(), each.value.tolist(), strict=True):
            values = (*names, *row) if each.attempt is None else (*names, *row, each.attempt)
            if form == "csv":
                table.writerow(values)
            else:
                out.write(msgspec.json.encode(dict(zip(columns, values, strict=True))).decode() + "\n")
