"""A report as Markdown, for terminals, chats and merge requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lensd.report.contents import RunReport
from lensd.report.facts import METRIC_COLUMNS, event_text, facts_of, metric_cells
from lensd.report.wording import when

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|])")


def document(title: str, made_ms: float, runs: Sequence[RunReport]) -> Iterator[str]:
    """The lines of the report of all runs, an empty one between paragraphs."""
    yield from (f"# {_plain(title)}", "", f"Written {when(made_ms)} by lensd.", "")
    if len(runs) > 1:
        yield from _table(
            ("Run", "Status", "Steps", "Duration"),
            [
                (one.run.name, one.run.status, facts.get("steps", "-"), facts.get("duration", "-"))
                for one in runs
                for facts in [dict(facts_of(one))]
            ],
        )
    for one in runs:
        yield from _section(one)


def _section(one: RunReport) -> Iterator[str]:
    yield from (f"## {_plain(one.run.name)}: {one.run.status}", "")
    for name, text in facts_of(one):
        yield f"- {name}: {_plain(text)}"
    for sentence in one.run.warnings:
        yield f"- warning: {_plain(sentence)}"
    yield ""
    if one.events:
        yield from ("What happened:", "")
        for event in one.events:
            yield f"- {_plain(event_text(event))}"
            if event.lines:
                yield from ("", *(f"      {line}" for line in event.lines), "")
        if one.events_left_out:
            yield f"- {one.events_left_out} more are left out"
        yield ""
    if one.metrics:
        yield from _table(METRIC_COLUMNS, [metric_cells(metric) for metric in one.metrics])
    else:
        yield from ("No metric has a point.", "")
    if one.metrics_left_out:
        yield from (f"{one.metrics_left_out} more metrics are left out.", "")
    if one.log_tail:
        yield from ("Last lines of the log:", "", *(f"    {line}" for line in one.log_tail), "")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [tuple(map(_plain, row)) for row in rows]
    widths = [max(len(row[at]) for row in (columns, *cells)) for at in range(len(columns))]
    for row in (columns, tuple("-" * width for width in widths), *cells):
        yield "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
    yield ""


def _plain(text: str) -> str:
    """Text of a run as text, whatever it holds: no markup and no line ends."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
