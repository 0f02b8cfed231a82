"""One online W&B run, as the SDK tells it piece by piece: pure functions from what was sent to batches.

Format: the file stream of the SDK, 0.16 to 0.31 (`core/pkg/filestream`, `wandb/sdk/internal/file_stream.py`):
lines of the files `wandb-history.jsonl`, `wandb-events.jsonl`, `output.log` and `wandb-summary.json` with the
number of their first line. A piece that is sent again changes nothing, one that comes before another is no
harm: rows are stored by their steps, and console lines by their numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lensd.model import Batch, Counts, Fact, LogLine, SeriesBuilder
from lensd.wandb.values import (
    AXES,
    TIME,
    add_history,
    config_facts,
    loads,
    milliseconds,
    number_of,
    scalar_facts,
    system_name,
)

_LONGEST_TAIL = 1 << 16
_LINE = re.compile(r"(?:ERROR )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|[+-]\d\d:?\d\d)? ?")


class FileProgress(msgspec.Struct):
    """What is known of a run's files: how many lines of each were sent, and the last row of history.

    missing: lines of history that never came, because they were sent to another server.
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

    @classmethod
    def decode(cls, cursor: bytes | None) -> FileProgress:
        return msgspec.json.decode(cursor, type=cls) if cursor else cls()

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def batch_of_upsert(cursor: bytes | None, told: Mapping[str, Any]) -> Batch:
    """What `UpsertBucket` tells of a run: its name, project, configuration and state."""
    known = FileProgress.decode(cursor)
    facts: dict[str, Fact] = {"status": "running"} if cursor is None else {}
    for variable, fact in (("displayName", "name"), ("project", "project"), ("entity", "entity")):
        if isinstance(told.get(variable), str) and told[variable]:
            facts[fact] = told[variable]
    if isinstance(told.get("displayName"), str) and told["displayName"]:
        known.name = told["displayName"]
    config = _object(told.get("config"))
    if config:
        facts |= config_facts(config)
        known.config = json.dumps({k: v for k, v in config.items() if k != "_wandb"})
    summary = _object(told.get("summaryMetrics"))
    if summary:
        facts |= scalar_facts("summary.", summary)
        known.summary = json.dumps(summary)
    return Batch(known.encode(), facts=facts, log_format="wandb online")


def batch_of_file_stream(cursor: bytes | None, body: Mapping[str, Any], now_ms: float) -> Batch:
    """What one post of the file stream tells."""
    known = FileProgress.decode(cursor)
    points, counts, facts = SeriesBuilder(), Counts(), dict[str, Fact]()
    lines: list[LogLine] = []
    files = body.get("files")
    for name, file in files.items() if isinstance(files, dict) else ():
        offset, content = _content(file)
        if content is None:
            counts.skipped += 1
        elif name == "wandb-history.jsonl":
            known.missing += max(0, offset - known.history)
            known.history = max(known.history, offset + len(content))
            last = add_history(content, points, counts)
            if last is not None and (known.step is None or last[0] >= known.step):
                known.step, known.tail = last[0], last[1] if len(last[1]) < _LONGEST_TAIL else ""
        elif name == "wandb-events.jsonl":
            known.events = max(known.events, offset + len(content))
            _take_events(content, known, points, counts, now_ms)
        elif name == "output.log":
            known.output = max(known.output, offset + len(content))
            lines += _console(content, offset, now_ms)
        elif name == "wandb-summary.json" and content:
            summary = _object(content[-1])
            if summary:
                facts |= scalar_facts("summary.", summary)
                known.summary = json.dumps(summary)
    if known.missing:
        facts["wandb.missing_rows"] = known.missing
    if body.get("complete"):
        code = body.get("exitcode")
        facts["exit_code"] = code if isinstance(code, int) else None
        facts["status"] = "finished" if code == 0 else "failed"
    elif counts.matched:
        facts["status"] = "running"
    note = f"{known.missing} rows of history were never sent here" if known.missing else None
    return Batch(
        known.encode(),
        points.build(),
        facts=facts,
        lines=lines,
        counts=counts,
        log_format="wandb online",
        note=note,
    )


def _take_events(
    content: Sequence[str], known: FileProgress, points: SeriesBuilder, counts: Counts, now_ms: float
) -> None:
    """System metrics; their iteration is the last step of history."""
    for line in content:
        counts.records += 1
        row = _object(line)
        ts_ms = milliseconds(row.get(TIME)) or now_ms
        points.next_row()
        for key, value in row.items():
            number = number_of(value)
            if key not in AXES and number is not None:
                points.add(system_name(key), known.step or 0, ts_ms, number)


def _console(content: Sequence[str], offset: int, now_ms: float) -> list[LogLine]:
    lines = []
    for number, line in enumerate(content, offset):
        found = _LINE.match(line)
        ts_ms = now_ms
        if found:
            ts_ms = datetime.fromisoformat(found[1][:26]).replace(tzinfo=UTC).timestamp() * 1000.0
            line = line[found.end() :]
        lines.append(LogLine(ts_ms, line.rstrip("\n"), number))
    return lines


def _content(file: object) -> tuple[int, list[str] | None]:
    """The number of the first line and the lines; None for what has not this shape."""
    if not isinstance(file, dict):
        return 0, None
    offset, content = file.get("offset", 0), file.get("content")
    if not isinstance(offset, int) or not 0 <= offset < 1 << 53 or not isinstance(content, list):
        return 0, None
    return offset, [line for line in content if isinstance(line, str)]


def _object(text: object) -> dict[str, Any]:
    """A JSON object as a text; an empty one for everything else."""
    if not isinstance(text, str):
        return {}
    try:
        value = loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
