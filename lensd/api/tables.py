"""Lists of structs, as JSON within their answer or as CSV, one row each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from lensd.api.responses import body_answer, json_answer

CSV = "text/csv"


async def list_answer(
    request: web.Request,
    answer: object,
    rows: Sequence[msgspec.Struct],
    row_type: type[msgspec.Struct],
    output_format: str,
    headers: dict[str, str] | None = None,
) -> web.StreamResponse:
    """An answer as JSON, or its list as CSV. row_type: that of the rows, for the header of an empty list."""
    if output_format == "csv":
        return await body_answer(request, structs_csv(rows, row_type), content_type=CSV, headers=headers)
    return await json_answer(request, answer, headers)


def structs_csv(rows: Iterable[msgspec.Struct], row_type: type[msgspec.Struct]) -> bytes:
    """Structs as CSV with a header. A list is one cell, its items separated by semicolons; null is empty."""
    names = row_type.__struct_fields__
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(str, value))
    return value
