"""`lensd doctor FILE`: what lensd reads from one file, on one screen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from lensd.adapter import Adapter, Budget, Diagnosis, Explains, InputDead, ReadError, SamplePoint
from lensd.config import Config
from lensd.discovery import Roots
from lensd.ingest.registry import Registry
from lensd.ingest.registry import load as load_adapters
from lensd.ingest.sources import make
from lensd.model import Input

_SECONDS = 10.0
_BYTES = 64 << 20
_POINTS = 5_000_000
_READ_BYTES = 4 << 20
_SHOWN_POINTS = 6
_SHOWN_METRICS = 12
_WIDTH = 110

#: Keys of `Diagnosis.samples`, and what they are called here.
_SAMPLES = {
    "matched": "parsed",
    "metric-like, not matched": "look like metrics but matched no format",
    "other": "other",
}


def report(file: str, options: Config) -> Iterator[str]:
    """The lines to print. Raises ConfigError for options that an adapter refuses."""
    size = os.path.getsize(file)
    if not size:
        yield f"{file}: empty; it is read as soon as something is written to it"
        return
    registry = load_adapters()
    claim = _claim(file, registry, options)
    if claim is None:
        yield f"{file}: no adapter reads such files ({', '.join(sorted(registry.classes))} are installed)"
        return
    adapter, input = claim
    budget = Budget(_BYTES, _POINTS, _SECONDS, now_ms=time.time() * 1000, final=True)
    try:
        diagnosis = (
            adapter.explain(input, budget) if isinstance(adapter, Explains) else _read(adapter, input, budget)
        )
    except InputDead as error:
        yield str(error)
        return
    except ReadError as error:
        yield f"{error} (adapter {adapter.name})"
        return
    yield _header(file, size, adapter, input, diagnosis)
    yield _verdict(diagnosis)
    yield from _details(diagnosis)


def _claim(file: str, registry: Registry, options: Config) -> tuple[Adapter, Input] | None:
    """The adapter that reads a file, and the file as its input."""
    roots = Roots([file])
    # The log adapter comes last: it takes any text.
    for name in sorted(registry.classes, key=lambda name: (name == "log", name)):
        adapter = make(registry, name, options)
        if adapter is None:
            continue
        for input in adapter.discover(roots):
            if os.path.realpath(input.path) == os.path.realpath(file):
                return adapter, input
    return None


def _read(adapter: Adapter, input: Input, budget: Budget) -> Diagnosis:
    """A diagnosis for an adapter without `explain`: what its batches hold."""
    diagnosis, cursor = Diagnosis(), None
    while True:
        batch = adapter.read(input, cursor, Budget(_READ_BYTES, _POINTS, 1.0, budget.now_ms))
        cursor = batch.cursor
        diagnosis.add(batch)
        diagnosis.lines += batch.counts.records
        diagnosis.matched += batch.counts.matched
        diagnosis.log_formats[batch.log_format or adapter.name] = diagnosis.matched
        if not batch.more or budget.spent(diagnosis.read_bytes, diagnosis.point_count):
            return diagnosis


def _header(file: str, size: int, adapter: Adapter, input: Input, diagnosis: Diagnosis) -> str:
    part = ""
    if diagnosis.read_bytes < diagnosis.total_bytes:
        part = f", the first {_bytes(diagnosis.read_bytes)} of which were read"
    return f"{file}: {_bytes(size)}{part}; adapter {adapter.name}, workload {input.workload}"


def _verdict(diagnosis: Diagnosis) -> str:
    framework = f" of {diagnosis.framework}" if diagnosis.framework else ""
    if diagnosis.point_count:
        verdict = f"a log{framework}: {diagnosis.point_count:,} points of {len(diagnosis.metrics)} metrics"
        if diagnosis.metric_like > diagnosis.matched / 10:
            verdict += f"; {diagnosis.metric_like:,} more lines look like metrics but matched no format"
        return verdict
    if diagnosis.metric_like:
        return f"no points: {diagnosis.metric_like:,} lines look like metrics but matched no format"
    if diagnosis.skipped and diagnosis.lines <= diagnosis.skipped:
        return "no points: every line is longer than lensd reads (1 MiB)"
    return "no points: nothing in it looks like a training metric"


def _details(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.lines:
        other = diagnosis.lines - diagnosis.matched - diagnosis.metric_like
        yield (
            f"  lines      {diagnosis.lines:,}: {diagnosis.matched:,} parsed, {diagnosis.metric_like:,}"
            f" look like metrics but matched no format, {other:,} other"
        )
    if diagnosis.skipped:
        yield f"  skipped    {diagnosis.skipped:,} (longer than lensd reads, or damaged)"
    for label, counts in (
        ("log format", diagnosis.log_formats),
        ("step", diagnosis.step_from),
        ("time", diagnosis.time_from),
    ):
        if counts:
            most_first = sorted(counts.items(), key=lambda pair: -pair[1])
            yield f"  {label:<10} {'; '.join(f'{name} ({count:,})' for name, count in most_first)}"
    if diagnosis.metrics:
        yield f"  metrics    {len(diagnosis.metrics)}: {_metric_names(diagnosis)}"
    for kind, label in _SAMPLES.items():
        if diagnosis.samples.get(kind):
            yield f"  {label}:"
            yield from (f"    {_cut(line)}" for line in diagnosis.samples[kind])
    if diagnosis.points:
        yield f"  the first of {diagnosis.point_count:,} points:"
        yield from map(_point, diagnosis.points[:_SHOWN_POINTS])
    if diagnosis.proposal:
        yield "  a pattern for the lines that look like metrics; try it, then add it to the configuration:"
        yield f"    --pattern {_shell_quoted(diagnosis.proposal)}"


def _point(point: SamplePoint) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(point.ts_ms / 1000))
    return (
        f"    line {point.line}: {_cut(point.metric, 50)} step {point.step} = {point.value:g} at {when} UTC"
    )


def _metric_names(diagnosis: Diagnosis) -> str:
    names = [
        f"{name} [{diagnosis.units[name]}]" if name in diagnosis.units else name
        for name in diagnosis.metrics[:_SHOWN_METRICS]
    ]
    more = len(diagnosis.metrics) - len(names)
    return _cut(", ".join(names), 400) + (f" and {more} more" if more else "")


def _cut(text: str, width: int = _WIDTH) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
