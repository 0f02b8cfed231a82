"""Tables and boxes: rows under a header that names a counter, and blocks of `| name | value |` rows."""

from __future__ import annotations

import re

from lensd_log.line.numbers import number
from lensd_log.line.record import State
from lensd_log.structure.plans import Sketcher
from lensd_log.structure.sketch import Count, Sketch, Value
from lensd_log.structure.words import COUNTERS, IDENTIFIERS, phase_of

_MOST_COLUMNS = 64
STALE = 200  # lines without a row, after which a header counts no more
_CELLS = re.compile(r"\s{2,}|\s*[|│┃║]\s*|\t")
_WIDE = re.compile(r"\s+|[|│┃║]")
_BORDERS = re.compile("[|│┃║]")
_HEADER = re.compile(r"[\s#|│┃║]*[A-Za-z_][^=:;{}\"]{3,600}\Z")
_RULE = re.compile(r"[\s|+=─━═┄┼┬┴╪╞╡├┤╭╮╰╯┌┐└┘╒╕╘╛╔╗╚╝╠╣╬╦╩:*-]+\Z")
_BORDER = "|│┃║"
_MOST_STEP = 1e15
_MOST_ROWS = 200


def table_row(text: str, line: int, state: State) -> Sketch | None:
    """What the row of a table says; None for what is none. A header is remembered in `state["table"]`."""
    table = state.get("table")
    if table is not None:
        if line - table["line"] > STALE:
            del state["table"]
        elif row := row_of(text, table["names"]):
            table["line"] = line
            return row
    names = names_of_header(text)
    if names is not None:
        state["table"] = {"names": names, "line": line}
    return None


def names_of_header(text: str) -> list[str] | None:
    """The names of the columns, where a line is the header of a table."""
    if _HEADER.match(text):
        cells = [cell.strip("# ") for cell in _CELLS.split(text.strip(" #|│┃║\t")) if cell.strip("# ")]
        if len(cells) == 1:
            cells = cells[0].split(" ") if " " in cells[0] and "(" not in cells[0] else cells
        counters = [cell for cell in cells if cell.lower() in COUNTERS]
        sound = 2 <= len(cells) <= _MOST_COLUMNS and len(set(cells)) == len(cells)
        if sound and counters and (cells[0] in counters or len(cells) > 3):
            return None if any(number(cell) is not None for cell in cells) else cells
    return None


def row_of(text: str, names: list[str]) -> Sketch | None:
    """A row of a table that has columns of these names; None for a line that is none."""
    cells = cells_of(text)
    if len(cells) == len(names) + 1 and cells[0].isdecimal():
        del cells[0]  # the index of a data frame
    if len(cells) != len(names):
        return None
    result = Sketch(covered=1.0)
    for name, cell in zip(names, cells, strict=True):
        value = number(cell)
        if value is None:
            if any(character.isalnum() for character in cell) and text[:1] not in _BORDER:
                return None
            continue
        kind = COUNTERS.get(name.lower())
        if kind is not None and value.is_integer() and abs(value) < _MOST_STEP:
            result.counts.append(Count(kind, int(value), word=name.lower()))
        elif name.lower() not in IDENTIFIERS and kind is None:
            result.values.append(Value(name, value, phase=phase_of(name)))
    return result if result.counts and result.values else None


def cells_of(text: str) -> list[str]:
    """The cells of a row of numbers."""
    parts = (_BORDERS if text[:1] in _BORDER else _WIDE).split(text)
    return [cell for part in parts if (cell := part.strip())]


def box_row(text: str, sketcher: Sketcher) -> Sketch | None:
    """One `| name | value |` or `│ name   value │` row, or None. Rows of more columns are no box's."""
    if text[:1] not in _BORDER or text[-1:] not in _BORDER or len(text) < 5 or len(text) > 400:
        return None
    inner = text[1:-1]
    cells = [cell.strip() for cell in re.split(f"[{_BORDER}]", inner)]
    if len(cells) > 2 or not cells[0] or not any(character.isalpha() for character in cells[0]):
        return None
    return sketcher.sketch(": ".join(cells) if len(cells) == 2 else cells[0])


def is_rule(text: str) -> bool:
    """A line of a box's frame."""
    return _RULE.match(text) is not None


def closes(text: str) -> bool:
    """Is this the lower edge of a box?"""
    return any(corner in text for corner in "╰└╚╘")


def may_belong(text: str) -> bool:
    """Can a line be a row of a table, or a part of a box?"""
    if text[:1] in _BORDER or is_rule(text):
        return True
    cells = _WIDE.split(text)
    return all(number(cell) is not None or not any(c.isalnum() for c in cell) for cell in cells)


def add_row(box: State, row: Sketch) -> None:
    """Add a row to an open box: `counts`, `values`, as plain lists."""
    box.setdefault("counts", [])
    box.setdefault("values", [])
    if len(box["values"]) < _MOST_ROWS:
        box["counts"] += [[count.kind, count.value, count.total, count.word] for count in row.counts]
        box["values"] += [[value.name, value.value, value.unit, value.phase] for value in row.values]


def has_row(box: State, row: Sketch) -> bool:
    """Is a name or counter of this row in the box already? Then the row begins another one."""
    names = {value[0] for value in box["values"]} | {count[3] for count in box["counts"]}
    return any(v.name in names for v in row.values) or any(c.word in names for c in row.counts)


def sketch_of_box(box: State) -> Sketch:
    """All rows of a box as one line."""
    result = Sketch(covered=1.0)
    result.counts = [Count(*count) for count in box["counts"]]
    result.values = [Value(name, value, unit, True, phase) for name, value, unit, phase in box["values"]]
    return result
