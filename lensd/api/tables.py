"""Lists of structs, as JSON within their answer or as CSV, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from lensd.api.description import CSV
from lensd.api.encode import csv_cell
from lensd.api.responses import body_answer, for_reader, json_answer


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
        parts = for_reader(request, CSV, [structs_csv(rows, row_type)])
        return await body_answer(request, b"".join(parts), content_type=CSV, headers=headers)
    return await json_answer(request, answer, headers)


def structs_csv(rows: Iterable[msgspec.Struct], row_type: type[msgspec.Struct]) -> bytes:
    """Structs as CSV with a header. A list is one cell, its items separated by semicolons; null is empty."""
    names = row_type.__struct_fields__
    lines = [",".join(names).encode()]
    lines += [b",".join(csv_cell(_text(getattr(row, name))) for name in names) for row in rows]
    return b"\n".join(lines) + b"\n"


def _text(value: Any) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(str, value))
    return str(value)
