"""The format of a spool: a file of JSON lines with what one run in one process could not send.

docs/wandb.md describes it for other programs. File name: `<workload>@<run id>@<process>.lensd-spool`, the
first two percent-encoded. First line, the header: `{"format": "lensd-spool", "version": 1, "source": "wandb",
"workload_uid", "pod_uid", "pod_name", "run_id"}`. Every other line is one log call, `{"step": 5,
"timestamp": 1795208609.25, "metrics": {"loss": 0.5}}` (seconds since the epoch; Python's NaN and Infinity are
allowed), or the body of a detection, `{"detection": {...}}`. A last line without its newline was torn when
the process was killed and is not read.

No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

SUFFIX = ".lensd-spool"
FORMAT = "lensd-spool"

#: Most characters of each part of a file name, which file systems limit to 255 in all.
_LONGEST_PART = 120


class Row(NamedTuple):
    """One log call. wall_s: seconds since the epoch."""

    step: int
    wall_s: float
    values: dict[str, float]


def count_values(rows: Iterable[Row]) -> int:
    return sum(len(row.values) for row in rows)


def file_name(identity: Mapping[str, str], process: str) -> str:
    parts = (quote(identity["workload_uid"], safe=""), quote(identity["run_id"], safe=""), process)
    return "@".join(part[:_LONGEST_PART] for part in parts) + SUFFIX


def workload_of(name: str) -> str | None:
    """The workload that a file name holds; None where it has another form, or was cut. The header has it."""
    parts = name[: -len(SUFFIX)].split("@") if name.endswith(SUFFIX) else []
    return unquote(parts[0]) if len(parts) == 3 and 0 < len(parts[0]) < _LONGEST_PART else None


def header_line(identity: Mapping[str, str]) -> bytes:
    return encode({"format": FORMAT, "version": 1, "source": "wandb", **identity})


def row_lines(rows: Iterable[Row]) -> list[bytes]:
    return [encode({"step": step, "timestamp": wall_s, "metrics": values}) for step, wall_s, values in rows]


def detection_line(body: Mapping[str, Any]) -> bytes:
    return encode({"detection": body})


def encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def decode_header(line: bytes) -> dict[str, Any]:
    """The header, which includes the run's identity. Raises ValueError."""
    header = json.loads(line)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("not the header of a spool")
    return header


def decode(line: bytes) -> Row | dict[str, Any]:
    """A line after the header: a row, or the body of a detection. Raises ValueError."""
    try:
        entry = json.loads(line)
        if "detection" in entry:
            return dict(entry["detection"])
        values = {str(name): float(value) for name, value in entry["metrics"].items()}
        return Row(int(entry["step"]), float(entry["timestamp"]), values)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("neither a row nor a detection") from error


def decode_lines(lines: Iterable[bytes]) -> tuple[list[dict[str, Any]], list[Row]]:
    """The bodies of detections and the rows in lines after the header; damaged lines are left out."""
    detections: list[dict[str, Any]] = []
    rows: list[Row] = []
    for line in lines:
        try:
            entry = decode(line)
        except ValueError:
            continue
        if isinstance(entry, Row):
            rows.append(entry)
        else:
            detections.append(entry)
    return detections, rows
