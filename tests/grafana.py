"""Grafana's own rules, for tests of what it is given."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def long_to_wide(rows: list[Row], time: str, factors: list[str], value: str) -> list[Row]:
    """Grafana's rule for a table with text columns (LongToWide of its plugin SDK): rows must ascend in time,
    equal times are one row, each set of texts is a column. Raises ValueError where Grafana gives up."""
    wide: list[Row] = []
    for row in rows:
        if row[time] is None:
            raise ValueError("a null time")
        if wide and row[time] < wide[-1][time]:
            raise ValueError("times do not ascend")
        if not wide or row[time] > wide[-1][time]:
            wide.append({time: row[time]})
        wide[-1][" ".join(str(row[name]) for name in factors)] = row[value]
    return wide
