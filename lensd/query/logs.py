"""Which file holds the log lines of a workload."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from lensd.model import LineMark
from lensd.store.reader import Reader


@dataclass(slots=True)
class LogSource:
    """Where the log stream of a run reads: the file `path`; else, where `stored`, the lines that the database
    has of the input; else nowhere yet."""

    path: str | None = None
    input_id: str | None = None
    marks: list[LineMark] = field(default_factory=list)
    stored: bool = False


def log_path(reader: Reader, run_id: str, input: str | None) -> LogSource | None:
    """The log of a run: the input asked for, else its `logs.txt`, else the text log written last, else the
    console output that another input brought. None for a run (or an input) never seen."""
    workload = reader.workload(run_id)
    if workload is None:
        return None
    sql = "SELECT key, path, structured FROM input WHERE workload_id = ? AND adapter = 'log' ORDER BY path"
    rows = [(str(key), str(path), bool(s)) for key, path, s in reader.rows(sql, (workload.id,))]
    if input is not None:
        chosen = [(key, path) for key, path, _ in rows if key == input]
        if not chosen and _stored(reader, workload.id, input) is None:
            return None
    else:
        chosen = [(key, path) for key, path, structured in rows if not structured]
        chosen.sort(key=lambda each: (os.path.basename(each[1]) == "logs.txt", _written(each[1])))
    if not chosen:
        brought = _stored(reader, workload.id, input)
        return LogSource(input_id=brought, stored=brought is not None)
    key, path = chosen[-1]
    return LogSource(path, key, reader.line_marks(key))


def _stored(reader: Reader, workload_id: int, input: str | None) -> str | None:
    """The input with console output that reported last, or the one asked for."""
    sql = """
        SELECT key FROM input WHERE workload_id = ? AND (? IS NULL OR key = ?)
        AND EXISTS (SELECT 1 FROM log_line WHERE input_id = input.id) ORDER BY max_ts DESC LIMIT 1"""
    found = reader.rows(sql, (workload_id, input, input))
    return next((str(key) for (key,) in found), None)


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
