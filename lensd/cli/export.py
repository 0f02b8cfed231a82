"""Points of a workload as text, for `lensd export`: in the same form as the API's `metrics/data`."""

from __future__ import annotations

from typing import IO, Literal

from lensd.api.encode import for_spreadsheets, points_csv, points_ndjson
from lensd.query.lens import points
from lensd.query.results import Selection
from lensd.store.reader import Reader


def write_points(
    reader: Reader,
    uid: str,
    output_format: Literal["csv", "ndjson"],
    attempt: str,
    out: IO[bytes],
    *,
    spreadsheet: bool = False,
) -> None:
    """All finite points as CSV with a header, or as one JSON object per line. Times are UTC milliseconds.

    attempt: `current`, `all` or a number; all but `current` add a column with the attempt.
    spreadsheet: no text of the CSV may be taken for a formula.
    """
    selected: Literal["current", "all"] | int
    selected = int(attempt) if attempt.isdigit() else ("all" if attempt == "all" else "current")
    _, slices = points(reader, uid, Selection(attempt=selected))
    if output_format == "csv":
        parts = points_csv(slices, *(["attempt"] if selected != "current" else []))
    else:
        parts = points_ndjson(slices)
    for part in for_spreadsheets(parts) if spreadsheet and output_format == "csv" else parts:
        out.write(part)
