"""Runs as the Runs API shows them: the list of runs, the details and the progress of one."""

from __future__ import annotations

from lensd.model import Fact
from lensd.query.details import tags_of
from lensd.query.results import RunDetail, RunInfo, RunProgress
from lensd.query.rows import RowCache
from lensd.query.workloads import Summary, status_of, summaries, summary_of
from lensd.store.reader import Reader

__all__ = ["RowCache", "progress", "run", "runs"]

_RUNICORN = {"ended": "finished", "crashed": "failed"}


def runs(reader: Reader) -> list[RunInfo]:
    """All runs, the newest first."""
    infos = [_info(summary) for summary in summaries(reader)]
    return sorted(infos, key=lambda r: (-(r.created_time or 0.0), r.id))


def run(reader: Reader, run_id: str) -> RunDetail | None:
    """The details of a run; None for an unknown one."""
    workload = reader.workload(run_id)
    if workload is None:
        return None
    summary = summary_of(reader, workload)
    info, facts = _info(summary), summary.facts
    started, ended = _started_and_ended(summary)
    metrics = _path(summary, "events.jsonl")
    return RunDetail(
        id=info.id,
        status=info.status,
        pid=info.pid,
        run_dir=info.run_dir,
        path=info.path,
        alias=info.alias,
        start_time=_number(facts.get("started_at")) or info.created_time,
        duration=max(0.0, ended - started) if ended is not None and started is not None else None,
        logs=_path(summary, "logs.txt"),
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


def _started_and_ended(summary: Summary) -> tuple[float | None, float | None]:
    """When a run began and ended, in seconds, both by one clock: what it reported, else its points."""
    started = _number(summary.facts.get("started_at")) or _number(summary.facts.get("created_at"))
    ended = _number(summary.facts.get("ended_at"))
    times_written = any(not input.time_inferred for input in summary.inputs if input.min_ts is not None)
    if started is not None and (ended is not None or times_written):
        return started, ended or _seconds(summary.end_ts)
    return _seconds(summary.min_ts), _seconds(summary.end_ts)


def progress(reader: Reader, run_id: str) -> RunProgress:
    """The progress of a run; not available while its target iteration is unknown."""
    workload = reader.workload(run_id)
    if workload is None:
        return RunProgress(available=False, status="unknown")
    summary = summary_of(reader, workload)
    if summary.iteration is None or not summary.target:
        return RunProgress(available=False, status="unknown")
    status = _status(summary)
    speed = summary.steps_per_second
    remaining = max(0, summary.target - summary.iteration)
    return RunProgress(
        available=True,
        status=status,
        progress=min(1.0, summary.iteration / summary.target),
        current_step=summary.iteration,
        total_steps=summary.target,
        eta_seconds=_eta(remaining, speed, status),
        steps_per_second=speed,
    )


def _eta(remaining: int, speed: float | None, status: str) -> float | None:
    """Seconds to the target iteration; None where they cannot be estimated."""
    if speed and status == "running":
        return remaining / speed
    return 0.0 if remaining == 0 else None


def _info(summary: Summary) -> RunInfo:
    facts = summary.facts
    return RunInfo(
        id=summary.workload.uid,
        run_dir=summary.workload.folder or None,
        created_time=_number(facts.get("created_at")) or _seconds(summary.min_ts),
        status=_status(summary),
        pid=_whole(facts.get("pid")),
        best_metric_value=_number(facts.get("best_metric_value")),
        best_metric_name=_string(facts.get("best_metric_name")),
        path=_string(facts.get("runicorn.path")),
        alias=_string(facts.get("alias")) or _string(facts.get("name")),
        tags=tags_of(facts),
        assets_count=_whole(facts.get("assets_count")) or 0,
    )


def _status(summary: Summary) -> str:
    """The status in the words of Runicorn, which calls a run failed whose process is gone."""
    status = status_of(summary)
    return _RUNICORN.get(status, status)


def _path(summary: Summary, file_name: str) -> str | None:
    """The path of the run's input with that file name."""
    paths = (input.path for input in summary.inputs if input.path.endswith("/" + file_name))
    return next(paths, None)


def _number(value: Fact) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Fact) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _string(value: Fact) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(ts_ms: float | None) -> float | None:
    return ts_ms / 1000.0 if ts_ms is not None else None
