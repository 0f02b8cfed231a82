"""Writes the report of some runs in one of the formats, within a bound on its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Literal

import msgspec

from lensd.query.panels import Panel
from lensd.query.signals import main_metric
from lensd.report import html, markdown
from lensd.report.contents import RunReport, curves, run_report
from lensd.store import Reader

Format = Literal["html", "md", "json"]
#: What an HTML report takes at most, and the most runs that have a section in any report.
MOST_BYTES, MOST_RUNS = 5_000_000, 500
_METRIC_BYTES, _BIN_BYTES = 400, 48  # of a row of the table, and of one bin of a curve, about
_MOST_METRICS, _MOST_BINS, _FEWEST_BINS = 300, 300, 40


class Report(msgspec.Struct):
    """The JSON form. made_at: UTC ms."""

    title: str
    made_at: int
    runs: list[RunReport]


def write_report(
    reader: Reader, uids: Sequence[str], output_format: Format, title: str, out: IO[bytes]
) -> None:
    """Write the report of these workloads, in this order. Those beyond MOST_RUNS are left out."""
    uids = uids[:MOST_RUNS]
    share = MOST_BYTES // max(1, len(uids))
    most_metrics = max(3, min(_MOST_METRICS, share // 3 // _METRIC_BYTES))
    runs = [run_report(reader, uid, most_metrics) for uid in uids]
    if output_format == "json":
        out.write(msgspec.json.format(msgspec.json.encode(Report(title, round(reader.now_ms), runs))) + b"\n")
    elif output_format == "md":
        for line in markdown.document(title, reader.now_ms, runs):
            out.write(line.encode() + b"\n")
    else:
        for part in _html(reader, runs, title, share):
            out.write(part.encode())


def _html(reader: Reader, runs: Sequence[RunReport], title: str, share: int) -> Iterator[str]:
    yield from html.document(title, reader.now_ms, runs)
    for index, one in enumerate(runs):
        drawn, left_out = _drawn(reader, one, share * 2 // 3)
        yield from html.section(index, one, drawn, left_out)
    yield html.END


def _drawn(reader: Reader, one: RunReport, most_bytes: int) -> tuple[list[Panel], int]:
    """The curves that there is room for, that of the main metric first; and how many there is none for."""
    points: dict[str, int] = {}
    for metric in one.metrics:
        points[metric.name] = points.get(metric.name, 0) + metric.points
    main = main_metric(points)
    names = sorted(points, key=lambda name: (name != main, name))
    bins = max(_FEWEST_BINS, min(_MOST_BINS, most_bytes // max(1, len(one.metrics)) // _BIN_BYTES))
    room = most_bytes // (bins * _BIN_BYTES)
    drawn: list[Panel] = []
    for panel in curves(reader, one.run.uid, names[:room], bins):
        room -= len(panel.series)
        if room < 0:
            break
        drawn.append(panel)
    return drawn, len(names) - len(drawn)
