"""One online W&B run: pure functions from what the SDK posts to batches.

Format: the file stream of the SDK, 0.16 to 0.31 (`core/pkg/filestream` and
`wandb/sdk/internal/file_stream.py`): lines of the files `wandb-history.jsonl`, `wandb-events.jsonl`,
`output.log` and `wandb-summary.json`, with the number of their first line. Posts may be repeated and come out
of order: rows are stored by their steps, and console lines by their numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from lensd.model import Batch, Counts, Fact, LogLine, SeriesBuilder
from lensd.wandb.about import facts_of_internal, label_facts
from lensd.wandb.axes import Axes, definitions
from lensd.wandb.values import (
    BOOKKEEPING,
    INTERNAL,
    TIMESTAMP,
    add_history,
    config_facts,
    loads,
    milliseconds,
    number_of,
    scalar_facts,
    system_name,
)

_LOG_FORMAT = "wandb online"
#: Facts by variable of an `UpsertBucket`.
_LABELS = {
    "name": "run_id", "displayName": "name", "project": "project", "entity": "entity", "groupName": "group",
    "jobType": "job_type", "notes": "notes", "tags": "tags", "sweep": "sweep", "host": "host",
}  # fmt: skip
#: Longest row of history that is kept as the last one, in characters.
_LONGEST_TAIL = 1 << 16
_CONSOLE_PREFIX = re.compile(
    r"(?:ERROR )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|[+-]\d\d:?\d\d)? ?"
)


class FileProgress(msgspec.Struct):
    """How much of a run's files was received, and what a resumed run is told.

    history, events and output: how many lines of each file were posted. missing: lines of history that were
    posted to another server. step and tail: the last row of history. config and summary: JSON objects. axes:
    of the metrics.
    """

    history: int = 0
    events: int = 0
    output: int = 0
    missing: int = 0
    step: int | None = None
    tail: str = ""
    config: str = "{}"
    summary: str = "{}"
    name: str = ""
    axes: Axes = msgspec.field(default_factory=Axes)

    @classmethod
    def decode(cls, cursor: bytes | None) -> FileProgress:
        return msgspec.json.decode(cursor, type=cls) if cursor else cls()

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


class StreamedLines(NamedTuple):
    """Lines of one file. offset: the number of the first line."""

    offset: int
    lines: list[str]

    @property
    def end(self) -> int:
        return self.offset + len(self.lines)


def batch_of_upsert(cursor: bytes | None, variables: Mapping[str, Any]) -> Batch:
    """What the variables of an `UpsertBucket` say about a run: name, project, configuration, state."""
    progress = FileProgress.decode(cursor)
    facts: dict[str, Fact] = {"status": "running"} if cursor is None else {}
    facts |= label_facts(variables, _LABELS)
    progress.name = str(facts.get("name", progress.name))
    config = _object(variables.get("config"))
    if config:
        facts |= config_facts(config) | facts_of_internal(config)
        for pattern, axis in definitions(config):
            progress.axes.define(pattern, axis)
        progress.config = json.dumps({key: value for key, value in config.items() if key != INTERNAL})
    facts |= _take_summary(_object(variables.get("summaryMetrics")), progress)
    return Batch(progress.encode(), facts=facts, log_format=_LOG_FORMAT)


def batch_of_file_stream(cursor: bytes | None, body: Mapping[str, Any], now_ms: float) -> Batch:
    """What one post of the file stream holds."""
    progress = FileProgress.decode(cursor)
    points, counts, facts = SeriesBuilder(), Counts(), dict[str, Fact]()
    log_lines: list[LogLine] = []
    files = body.get("files")
    for name, content in files.items() if isinstance(files, dict) else ():
        file = _file_lines(content)
        if file is None:
            counts.skipped += 1
        elif name == "wandb-history.jsonl":
            _take_history(file, progress, points, counts, now_ms)
        elif name == "wandb-events.jsonl":
            progress.events = max(progress.events, file.end)
            _add_system_metrics(file.lines, progress.step or 0, now_ms, points, counts)
        elif name == "output.log":
            progress.output = max(progress.output, file.end)
            log_lines += console_lines(file.lines, now_ms, file.offset)
        elif name == "wandb-summary.json" and file.lines:
            facts |= _take_summary(_object(file.lines[-1]), progress)
    facts |= _state(body, has_rows=counts.matched > 0)
    note = None
    if progress.missing:
        facts["wandb.missing_rows"] = progress.missing
        note = f"{progress.missing} rows of history were never sent here"
    series, _ = progress.axes.place(points.build())
    facts |= progress.axes.facts()
    return Batch(
        progress.encode(),
        series,
        facts=facts,
        lines=log_lines,
        counts=counts,
        log_format=_LOG_FORMAT,
        note=note,
    )


def _take_history(
    file: StreamedLines, progress: FileProgress, points: SeriesBuilder, counts: Counts, now_ms: float
) -> None:
    progress.missing += max(0, file.offset - progress.history)
    progress.history = max(progress.history, file.end)
    last = add_history(file.lines, points, counts, now_ms)
    if last is not None and (progress.step is None or last[0] >= progress.step):
        progress.step, row = last
        progress.tail = row if len(row) < _LONGEST_TAIL else ""


def _take_summary(summary: dict[str, Any], progress: FileProgress) -> dict[str, Fact]:
    """The facts of a summary, which is also kept for a resumed run; none of an empty one."""
    if summary:
        progress.summary = json.dumps(summary)
    return scalar_facts("summary.", summary)


def _state(body: Mapping[str, Any], *, has_rows: bool) -> dict[str, Fact]:
    if body.get("complete"):
        code = body.get("exitcode")
        return {
            "exit_code": code if isinstance(code, int) else None,
            "status": "finished" if code == 0 else "failed",
        }
    return {"status": "running"} if has_rows else {}


def _add_system_metrics(
    lines: Sequence[str], step: int, now_ms: float, points: SeriesBuilder, counts: Counts
) -> None:
    """Lines of system metrics; `step` is the last one of history."""
    for line in lines:
        counts.records += 1
        row = _object(line)
        _add_system_row(row, step, milliseconds(row.get(TIMESTAMP)) or now_ms, points)


def add_system_rows(
    rows: Iterable[Mapping[str, Any]], after_ms: float, step: int, points: SeriesBuilder
) -> float:
    """Add the rows of system metrics that are later than `after_ms`, at `step`. Returns the latest time."""
    latest = after_ms
    for row in rows:
        ts_ms = milliseconds(row.get(TIMESTAMP))
        if ts_ms is not None and ts_ms > after_ms:
            _add_system_row(row, step, ts_ms, points)
            latest = max(latest, ts_ms)
    return latest


def _add_system_row(row: Mapping[str, Any], step: int, ts_ms: float, points: SeriesBuilder) -> None:
    points.next_row()
    for key, value in row.items():
        number = number_of(value)
        if key not in BOOKKEEPING and number is not None:
            points.add(system_name(key), step, ts_ms, number)


def console_lines(lines: Iterable[str], default_ms: float, first: int = 0) -> list[LogLine]:
    """Lines of the console, with the timestamp that the SDK puts in front of each stripped. first: the number
    of the first line."""
    log_lines = []
    for number, line in enumerate(lines, first):
        prefix = _CONSOLE_PREFIX.match(line)
        ts_ms = default_ms
        if prefix:
            ts_ms = datetime.fromisoformat(prefix[1][:26]).replace(tzinfo=UTC).timestamp() * 1000.0
            line = line[prefix.end() :]
        log_lines.append(LogLine(ts_ms, line.rstrip("\n"), number))
    return log_lines


def _file_lines(content: object) -> StreamedLines | None:
    """The lines of `{"offset": 0, "content": ["..."]}`; None for anything else."""
    if not isinstance(content, dict):
        return None
    offset, lines = content.get("offset", 0), content.get("content")
    if not isinstance(offset, int) or not 0 <= offset < 1 << 53 or not isinstance(lines, list):
        return None
    return StreamedLines(offset, [line for line in lines if isinstance(line, str)])


def _object(data: object) -> dict[str, Any]:
    """A JSON object from a string; an empty one for anything else."""
    if not isinstance(data, str):
        return {}
    try:
        value = loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
