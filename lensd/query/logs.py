"""Where the log lines of a run come from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from lensd.model import LineMark
from lensd.store.catalogue import StoredInput
from lensd.store.reader import Reader
from lensd.store.text import restored


@dataclass(slots=True)
class LogSource:
    """Where the log stream of a run reads: the file `path`; else, if `stored`, the console output that the
    database holds of the input; else nowhere yet."""

    workload_id: int
    path: str | None = None
    input_id: str | None = None
    marks: list[LineMark] = field(default_factory=list)
    stored: bool = False


def log_source(reader: Reader, run_id: str, input_id: str | None) -> LogSource | None:
    """The log of a run: the selected input, else its `logs.txt`, else the text log written last, else the
    console output that another input holds. None for an unknown run or input."""
    workload = reader.workload(run_id)
    if workload is None:
        return None
    logs = [log for log in reader.inputs(workload.id) if log.adapter == "log" and log.state != "merged"]
    if input_id is not None:
        logs = [log for log in logs if log.id == input_id]
    else:
        logs = sorted((log for log in logs if not log.structured), key=_preference)
    if logs:
        log = logs[-1]
        return LogSource(workload.id, _path(log), log.id, reader.line_marks(log.id))
    consoles = reader.console_inputs(workload.id)
    if input_id is not None:
        return LogSource(workload.id, input_id=input_id, stored=True) if input_id in consoles else None
    if consoles:
        return LogSource(workload.id, input_id=consoles[0], stored=True)
    return LogSource(workload.id)


def _preference(log: StoredInput) -> tuple[bool, float, str]:
    """The preferred log sorts last."""
    return os.path.basename(log.path) == "logs.txt", _mtime(_path(log)), log.path


def _path(log: StoredInput) -> str:
    """The path of a log, whose name may be no UTF-8."""
    path = restored(log.path)
    return path if path == log.path or os.path.exists(path) else log.path


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
