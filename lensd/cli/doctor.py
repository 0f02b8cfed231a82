"""`lensd doctor FILE`: what lensd makes of one file, in a screen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from lensd.adapter import Adapter, Budget, Diagnosis, Explains, InputDead, ReadError
from lensd.config import Config
from lensd.discovery import Roots
from lensd.ingest.registry import Registry
from lensd.ingest.registry import load as load_adapters
from lensd.ingest.sources import make
from lensd.model import Input

_SECONDS = 10.0
_BYTES = 64 << 20
_PIECE = 4 << 20
_POINTS = 5_000_000
_SHOWN_POINTS = 6
_SHOWN_METRICS = 12
_WIDTH = 110


def report(file: str, options: Config) -> Iterator[str]:
    """The lines to print. Raises ConfigError for options that an adapter refuses."""
    size = os.path.getsize(file)
    if not size:
        yield f"{file}: empty; it is read as soon as something is written to it"
        return
    registry = load_adapters()
    found = _claim(file, registry, options)
    if found is None:
        yield f"{file}: no adapter reads such files ({', '.join(sorted(registry.classes))} are installed)"
        return
    adapter, input = found
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
    yield from _print(file, size, adapter, input, diagnosis)


def _claim(file: str, registry: Registry, options: Config) -> tuple[Adapter, Input] | None:
    roots = Roots([file])
    for name in sorted(
        registry.classes, key=lambda name: (name == "log", name)
    ):  # the log adapter takes any text
        adapter = make(registry, name, options)
        if adapter is None:
            continue
        for input in adapter.discover(roots):
            if os.path.realpath(input.path) == os.path.realpath(file):
                return adapter, input
    return None


def _read(adapter: Adapter, input: Input, budget: Budget) -> Diagnosis:
    """What can be said of an input whose adapter explains nothing."""
    found, cursor = Diagnosis(), None
    while True:
        batch = adapter.read(input, cursor, Budget(_PIECE, _POINTS, 1.0, budget.now_ms))
        cursor = batch.cursor
        found.add(batch)
        found.lines += batch.counts.records
        found.matched += batch.counts.matched
        found.log_formats[batch.log_format or adapter.name] = found.matched
        if not batch.more or budget.spent(found.read_bytes, found.point_count):
            return found


def _print(file: str, size: int, adapter: Adapter, input: Input, found: Diagnosis) -> Iterator[str]:
    part = (
        ""
        if found.read_bytes >= found.total_bytes
        else f", of which {_bytes(found.read_bytes)} were looked at"
    )
    yield f"{file}: {_bytes(size)}{part}; adapter {adapter.name}, workload {input.workload}"
    yield _verdict(found)
    if found.lines:
        other = found.lines - found.matched - found.metric_like
        yield (
            f"  lines      {found.lines:,}: {found.matched:,} gave points, {found.metric_like:,} look like"
            f" metrics and gave none, {other:,} other"
        )
    if found.skipped:
        yield f"  passed by  {found.skipped:,} (longer than a line may be, or damaged)"
    for label, counted in (
        ("log format", found.log_formats),
        ("step", found.step_from),
        ("time", found.time_from),
    ):
        if counted:
            ordered = sorted(counted.items(), key=lambda pair: -pair[1])
            yield f"  {label:<10} {'; '.join(f'{name} ({count:,})' for name, count in ordered)}"
    if found.metrics:
        yield f"  metrics    {len(found.metrics)}: {_listed(found)}"
    for kind in ("matched", "metric-like, not matched", "other"):
        if found.samples.get(kind):
            yield f"  {kind}:"
            yield from (f"    {_cut(line)}" for line in found.samples[kind])
    if found.points:
        yield f"  the first of {found.point_count:,} points:"
        for point in found.points[:_SHOWN_POINTS]:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(point.ts_ms / 1000))
            shown = f"{_cut(point.metric, 50)} step {point.step} = {point.value:g} at {when} UTC"
            yield f"    line {point.line}: {shown}"
    if found.proposal:
        yield "  a pattern for lines that look like metrics, to be tried and then kept in the configuration:"
        yield f"    --pattern {_quoted(found.proposal)}"


def _verdict(found: Diagnosis) -> str:
    framework = f" of {found.framework}" if found.framework else ""
    if found.point_count:
        told = f"a log{framework}: {found.point_count:,} points of {len(found.metrics)} metrics"
        if found.metric_like > found.matched / 10:
            told += f"; {found.metric_like:,} more lines look like metrics, but no log format takes them"
        return told
    if found.metric_like:
        return f"no points: {found.metric_like:,} lines look like metrics, but no log format takes them"
    if found.skipped and found.lines <= found.skipped:
        return "no points: nothing but lines longer than a line may be (1 MiB)"
    return "no points: nothing in it looks like a training metric"


def _listed(found: Diagnosis) -> str:
    names = [
        f"{name} [{found.units[name]}]" if name in found.units else name
        for name in found.metrics[:_SHOWN_METRICS]
    ]
    more = len(found.metrics) - len(names)
    return _cut(", ".join(names), 400) + (f" and {more} more" if more else "")


def _cut(text: str, width: int = _WIDTH) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
