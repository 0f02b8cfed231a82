"""What a report says first of a run, and the cells of its table of metrics, in words for all formats."""

from __future__ import annotations

from collections.abc import Iterator

from lensd.query.events import RunEvent
from lensd.report.contents import MetricReport, RunReport
from lensd.report.wording import duration, number, when
from lensd.store.detail import Extreme

METRIC_COLUMNS = ("Metric", "Last", "Best", "Worst", "Points", "NaN, ∞")


#: Kinds of events that one looks for first.
ALARMING = ("nan", "spike", "stall", "attempt")


def event_text(event: RunEvent) -> str:
    """One line: when, and what."""
    where = f", step {event.iteration}" if event.kind in ("nan", "spike") else ""
    return f"{when(event.time)}{where}: {event.text}"


def facts_of(one: RunReport) -> Iterator[tuple[str, str]]:
    """(name, text) of what is known, in the order in which people ask."""
    run = one.run
    for name, text in (
        ("uid", run.uid if run.uid != run.name else None),
        ("framework", run.framework),
        ("project", run.project),
        ("group", run.group),
        ("tags", ", ".join(run.tags)),
        ("notes", run.notes),
        ("command", run.command),
        ("host", run.host),
        ("began", when(run.created_at) if run.created_at is not None else None),
        ("ended", when(run.updated_at) if run.updated_at is not None else None),
        ("duration", duration(one.duration_s) if one.duration_s else None),
        ("steps", _steps(run.iteration, run.target_iteration)),
        ("speed", _speed(one.steps_per_second)),
        ("times", f"inferred for {', '.join(run.times_inferred)}" if run.times_inferred else None),
    ):
        if text:
            yield name, text


def metric_cells(metric: MetricReport) -> tuple[str, ...]:
    """The cells of METRIC_COLUMNS."""
    name = metric.name if metric.source == "log" else f"{metric.name} ({metric.source})"
    bad = f"{metric.not_finite} from {metric.first_not_finite}" if metric.not_finite else ""
    return (
        name, *map(_at, (metric.last, metric.best, metric.worst)), str(metric.points), bad,
    )  # fmt: skip


def _at(extreme: Extreme | None) -> str:
    return "-" if extreme is None else f"{number(extreme.value)} @ {extreme.step}"


def _steps(last: int | None, target: int | None) -> str | None:
    if last is None:
        return None
    return f"{last} of {target} ({100 * last // target} %)" if target else str(last)


def _speed(steps_per_second: float | None) -> str | None:
    if not steps_per_second:
        return None
    if steps_per_second >= 1.0:
        return f"{number(steps_per_second)} steps a second"
    return f"{duration(1.0 / steps_per_second)} a step"
