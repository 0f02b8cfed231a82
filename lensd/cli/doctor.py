"""`lensd doctor FILE`: what lensd reads from one file, on one screen."""

from __future__ import annotations

import os
import stat
import textwrap
import time
from collections.abc import Iterator
from functools import partial

import click

from lensd.adapter import Adapter, Budget, Diagnosis, Explains, InputDead, LineShape, ReadError, SamplePoint
from lensd.cli.exit import UNREADABLE, errors, fail
from lensd.cli.messages import log_to_stderr, shown
from lensd.cli.tables import counted
from lensd.config import Config, ConfigError, load
from lensd.discovery import Roots
from lensd.ingest.registry import Registry
from lensd.ingest.registry import load as load_adapters
from lensd.ingest.sources import make
from lensd.model import Input

_SECONDS = 10.0
_BYTES = 64 << 20
_POINTS = 5_000_000
_READ_BYTES = 4 << 20
_MOST_STORED, _MOST_LEFT = 5, 4  # shapes
_SHOWN_POINTS = 3
_SHOWN_METRICS = 12
_WIDTH = 100
_LONGEST_LINE = 1 << 20
_counted = partial(counted, spec=",")


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--pattern", metavar="REGEX", multiple=True, help="Try this pattern before all log formats; repeatable."
)
@click.option(
    "--pattern-for", metavar="N", type=int, help="Print only a [[pattern]] block for lines like [N]."
)
@click.option("--all", "everything", is_flag=True, help="Show all kinds of lines, not the first few.")
@click.option("--config", metavar="FILE", help="A TOML file; its patterns and time zone are used.")
def doctor(
    file: str, pattern: tuple[str, ...], pattern_for: int | None, everything: bool, config: str | None
) -> None:
    """Show what each line of FILE becomes, and why.

    Lines that differ in their numbers alone are one kind. For each kind it shows an example, the step, the
    metrics, and the reason where nothing is stored. Stores nothing.

    \b
    lensd doctor train.log
    lensd doctor train.log --pattern 'it (?P<step>\\d+): goodness (?P<goodness>\\S+)'

    A pattern is a regular expression with named groups: step, total, epoch, batch and time place a point,
    every other group is a metric. Doctor proposes one for lines that look like metrics and are not read. To
    keep it, and to have it for lines that are read:

    \b
    lensd doctor train.log --pattern-for 2 >> lensd.toml
    lensd doctor train.log --config lensd.toml
    lensd serve ./runs --config lensd.toml

    Exit code: 0 if points would be stored, 1 if none.
    """
    with errors():
        log_to_stderr("error")
        options = load(config, os.environ, {})
        options.pattern = [*({"regex": regex} for regex in pattern), *options.pattern]
        try:
            mode = os.stat(file).st_mode
        except OSError as error:
            fail(UNREADABLE, f"{file}: {(error.strerror or str(error)).lower()}")
        if stat.S_ISDIR(mode):
            fail(UNREADABLE, f"{file}: a folder; `lensd sources {file}` lists what is in it")
        if not stat.S_ISREG(mode):
            fail(UNREADABLE, f"{file}: a pipe or device; write it into a file first")
        answer = examine(file, options)
        if isinstance(answer, str):
            fail(UNREADABLE, answer)
        heading, diagnosis = answer
        if pattern_for is not None:
            click.echo(pattern_of(diagnosis, pattern_for))
            return
        for line in report(heading, diagnosis, everything=everything):
            click.echo(shown(line))
        if not diagnosis.point_count:
            raise SystemExit(UNREADABLE)


def examine(file: str, options: Config) -> tuple[str, Diagnosis] | str:
    """The heading and the diagnosis of a file; a sentence for one that nothing can be read from. Raises
    ConfigError for options that an adapter refuses."""
    size = os.path.getsize(file)
    if not size:
        return f"{file}: empty; it is read as soon as something is written to it"
    registry = load_adapters()
    claim = _claim(file, registry, options)
    if claim is None:
        return f"{file}: no adapter reads such files ({', '.join(sorted(registry.classes))} are installed)"
    adapter, input = claim
    budget = Budget(_BYTES, _POINTS, _SECONDS, now_ms=time.time() * 1000, final=True)
    try:
        diagnosis = (
            adapter.explain(input, budget) if isinstance(adapter, Explains) else _read(adapter, input, budget)
        )
    except InputDead as error:
        return str(error)
    except ReadError as error:
        return f"{error} (adapter {adapter.name})"
    return _header(file, size, adapter, input, diagnosis), diagnosis


def report(heading: str, diagnosis: Diagnosis, *, everything: bool = False) -> Iterator[str]:
    """The lines to print: one screen, or all shapes of lines."""
    yield from _wrapped(heading, "", "  ")
    yield from _wrapped(_verdict(diagnosis), "", "  ")
    yield from _details(diagnosis)
    yield from _shapes(diagnosis, everything)
    if diagnosis.samples and not any(shape.stored for shape in diagnosis.shapes):
        yield "Lines that say nothing to lensd:"
        yield from (f"    {_cut(line)}" for line in diagnosis.samples)
    if diagnosis.points:
        yield "The first points:"
        yield from map(_point, diagnosis.points[:_SHOWN_POINTS])
    yield from _advice(diagnosis)


def pattern_of(diagnosis: Diagnosis, number: int) -> str:
    """The `[[pattern]]` block for the lines that a report shows as `[number]`. Raises ConfigError."""
    if not 1 <= number <= len(diagnosis.shapes):
        count = len(diagnosis.shapes)
        kinds = "there is 1 kind of line" if count == 1 else f"there are {count} kinds of lines"
        raise ConfigError(f"--pattern-for {number}: {kinds} in it")
    shape = diagnosis.shapes[number - 1]
    if shape.pattern:
        return shape.pattern
    if shape.stored and shape.log_format != "structure":
        raise ConfigError(f"--pattern-for {number}: the log format {shape.log_format} reads such lines")
    raise ConfigError(f"--pattern-for {number}: no pattern for one line can read such lines")


def _claim(file: str, registry: Registry, options: Config) -> tuple[Adapter, Input] | None:
    """The adapter that reads a file, and the file as its input."""
    roots = Roots([file])
    # The log adapter comes last: it takes any text.
    for name in sorted(registry.classes, key=lambda name: (name == "log", name)):
        adapter = make(registry, name, options)
        if adapter is None:
            continue
        for input in adapter.discover(roots):
            # `train.log.gz` is a segment of the stream `train.log`.
            if os.path.realpath(file).startswith(os.path.realpath(input.path)):
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
        if diagnosis.total_bytes < _BYTES and diagnosis.total_bytes - diagnosis.read_bytes < _LONGEST_LINE:
            part = ", whose last line has no newline yet"
    return f"{file}: {_bytes(size)}{part}; adapter {adapter.name}, workload {input.workload}"


def _verdict(diagnosis: Diagnosis) -> str:
    framework = f" of {diagnosis.framework}" if diagnosis.framework else ""
    one = diagnosis.metric_like == 1
    unread = f"{_lines(diagnosis.metric_like)} {'looks' if one else 'look'} like metrics and"
    unread += f" {'was' if one else 'were'} not read"
    if diagnosis.point_count:
        points, metrics = _counted(diagnosis.point_count, "point"), _counted(len(diagnosis.metrics), "metric")
        verdict = f"{'A log' if diagnosis.shapes else 'Records'}{framework}: {points} of {metrics}."
        if diagnosis.metric_like:
            verdict += f" {unread}: see why below."
        return verdict
    if diagnosis.metric_like:
        return f"No points. {unread}: see why below."
    if diagnosis.skipped and diagnosis.lines <= diagnosis.skipped:
        return "No points: every line is longer than lensd reads (1 MiB)."
    if any(shape.likely for shape in diagnosis.shapes):
        return "No points. Some lines may be training, but did not prove it: see why below."
    if diagnosis.naming:
        return (
            f"No points. A metric is named in {_lines(diagnosis.naming)}, but without a value that lensd"
            " recognises."
        )
    return "No points: no line prints a metric (loss, accuracy, learning rate, reward, ...)."


def _details(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.lines:
        noun = "lines" if diagnosis.shapes or diagnosis.samples else "records"
        other = max(0, diagnosis.lines - diagnosis.matched - diagnosis.metric_like)
        yield (
            f"  {noun:<10} {diagnosis.lines:,}: {diagnosis.matched:,} gave points, {diagnosis.metric_like:,}"
            f" look like metrics and were not read, {other:,} other"
        )
    if diagnosis.skipped:
        yield f"  skipped    {diagnosis.skipped:,} (longer than lensd reads, or damaged)"
    for label, counts in (
        ("log format", diagnosis.log_formats),
        ("steps", diagnosis.step_from),
        ("times", diagnosis.time_from),
    ):
        if counts:
            most_first = sorted(counts.items(), key=lambda pair: -pair[1])
            origins = "; ".join(f"{name} ({count:,})" for name, count in most_first)
            yield from _wrapped(origins, f"  {label:<10} ", " " * 13)
    if diagnosis.metrics:
        yield from _wrapped(_metric_names(diagnosis), "  metrics    ", " " * 13, lines=3)
    if diagnosis.note:
        yield from _wrapped(diagnosis.note, "  note       ", " " * 13)


def _shapes(diagnosis: Diagnosis, everything: bool) -> Iterator[str]:
    """What the shapes of lines became: those that gave points, then those that did not."""
    numbered = list(enumerate(diagnosis.shapes, 1))
    stored = [pair for pair in numbered if pair[1].stored]
    left = [pair for pair in numbered if not pair[1].stored]
    shown_too = [s for s in diagnosis.shapes if s.metric_like or (s.likely and not stored) or everything]
    hidden = [pair for pair in left if pair[1] not in shown_too]
    left = [pair for pair in left if pair[1] in shown_too]
    for title, pairs, most in (("Read:", stored, _MOST_STORED), ("Not read:", left, _MOST_LEFT)):
        shown = pairs if everything else pairs[:most]
        if shown:
            yield title
        for number, shape in shown:
            yield from _shape(number, shape)
        if len(shown) < len(pairs):
            yield f"  and {_counted(len(pairs) - len(shown), 'more kind')} of lines; --all shows them"
    if hidden and not stored:
        kinds = _counted(len(hidden), "kind")
        yield f"{kinds} of lines with numbers in them say nothing of training; --all shows them."


def _shape(number: int, shape: LineShape) -> Iterator[str]:
    if shape.stored:
        only = f"{shape.stored:,} of " if shape.stored < shape.lines else ""
        by = "structure" if shape.log_format == "structure" else f"log format {shape.log_format}"
        became = f"{only}{_lines(shape.lines)} like line {shape.line}, read by {by}:"
    else:
        became = f"{_lines(shape.lines)} like line {shape.line}, not read: {shape.why}"
    yield from _wrapped(became, f"  [{number}] ", " " * 6)
    yield f"      {_cut(shape.example, _WIDTH - 6)}"
    for slots in shape.slots:
        yield from _wrapped(slots, "      ", "        ", lines=2)


def _advice(diagnosis: Diagnosis) -> Iterator[str]:
    """How to have lines read: with a pattern, where there is one for a kind of line that matters."""
    unread = [shape for shape in diagnosis.shapes if shape.pattern and not shape.stored and shape.likely]
    likely = [shape for shape in unread if shape.metric_like] or ([] if diagnosis.point_count else unread)
    if likely:
        number = diagnosis.shapes.index(likely[0]) + 1
        begin = f"To have [{number}]" if likely[0].metric_like else f"If [{number}] is training, to have it"
        yield f"{begin} read, put this into a file, and name it with --config FILE:"
        yield from (f"    {line}" for line in likely[0].pattern.splitlines())
        yield "  Names and groups may be changed; `step`, `total`, `epoch`, `batch` and `time` place a point."
    elif any(shape.pattern for shape in diagnosis.shapes if shape.stored or shape.metric_like):
        yield "A pattern of your own for lines like [N]: --pattern-for N prints one for the configuration."


def _lines(count: int) -> str:
    return _counted(count, "line")


def _wrapped(text: str, first: str, rest: str, lines: int = 9) -> Iterator[str]:
    wrapped = textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest)
    yield from wrapped[:lines]
    if len(wrapped) > lines:
        yield f"{rest}..."


def _point(point: SamplePoint) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(point.ts_ms / 1000))
    return (
        f"    line {point.line}: {_cut(point.metric, 40)} step {point.step} = {point.value:g} at {when} UTC"
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


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
