"""What the Runs dialect asks of a run besides its rows: the list of runs, one run, how far it is."""

from __future__ import annotations

import msgspec

from lensd.model import Fact
from lensd.query.results import RunDetail, RunInfo, RunProgress
from lensd.query.rows import RowCache
from lensd.query.workloads import Summary, status_of, summary_of
from lensd.store.reader import Reader, Workload

__all__ = ["RowCache", "progress", "run", "runs"]


def runs(reader: Reader) -> list[RunInfo]:
    """All runs, the newest first."""
    found = [_info(summary_of(reader, workload)) for workload in reader.workloads()]
    return sorted(found, key=lambda r: (-(r.created_time or 0.0), r.id))


def run(reader: Reader, run_id: str) -> RunDetail | None:
    """One run; None for one never seen."""
    workload = reader.workload(run_id)
    if workload is None:
        return None
    known = summary_of(reader, workload)
    info, facts = _info(known), known.facts
    ended = _number(facts.get("ended_at")) or _seconds(known.max_ts)
    started = _number(facts.get("started_at")) or info.created_time
    metrics = _path(reader, workload, "%/events.jsonl")
    return RunDetail(
        id=info.id,
        status=info.status,
        pid=info.pid,
        run_dir=info.run_dir,
        path=info.path,
        alias=info.alias,
        start_time=started,
        duration=max(0.0, ended - started) if ended is not None and started is not None else None,
        logs=_path(reader, workload, "%/logs.txt"),
        metrics=metrics,
        metrics_step=metrics,
        assets=info.assets_count,
        assets_count=info.assets_count,
        summary={
            name.removeprefix("summary."): value
            for name, value in facts.items()
            if name.startswith("summary.")
        },
    )


def progress(reader: Reader, run_id: str) -> RunProgress:
    """How far a run is, as far as its target is known."""
    workload = reader.workload(run_id)
    if workload is None:
        return RunProgress(available=False, status="unknown")
    known = summary_of(reader, workload)
    if known.iteration is None or not known.target:
        return RunProgress(available=False, status="unknown")
    status = status_of(known)
    speed = None
    if known.min_ts is not None and known.max_ts is not None and known.max_ts > known.min_ts:
        speed = known.iteration / ((known.max_ts - known.min_ts) / 1000.0)
    left = max(0, known.target - known.iteration)
    return RunProgress(
        available=True,
        status=status,
        progress=min(1.0, known.iteration / known.target),
        current_step=known.iteration,
        total_steps=known.target,
        eta_seconds=left / speed if speed and status == "running" else (0.0 if left == 0 else None),
        steps_per_second=speed,
    )


def _info(known: Summary) -> RunInfo:
    facts = known.facts
    tags = facts.get("tags")
    return RunInfo(
        id=known.workload.uid,
        run_dir=known.workload.folder or None,
        created_time=_number(facts.get("created_at")) or _seconds(known.min_ts),
        status=status_of(known),
        pid=_whole(facts.get("pid")),
        best_metric_value=_number(facts.get("best_metric_value")),
        best_metric_name=_text(facts.get("best_metric_name")),
        path=_text(facts.get("runicorn.path")),
        alias=_text(facts.get("alias")),
        tags=_tags(tags),
        assets_count=_whole(facts.get("assets_count")) or 0,
    )


def _path(reader: Reader, workload: Workload, like: str) -> str | None:
    rows = reader.rows("SELECT path FROM input WHERE workload_id = ? AND path LIKE ?", (workload.id, like))
    return str(rows[0][0]) if rows else None


def _tags(value: Fact) -> list[str]:
    if not isinstance(value, str) or not value:
        return []
    try:
        return msgspec.json.decode(value, type=list[str])
    except msgspec.DecodeError:
        return [tag.strip() for tag in value.split(",")]


def _number(value: Fact) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Fact) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Fact) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(ts_ms: float | None) -> float | None:
    return ts_ms / 1000.0 if ts_ms is not None else None
