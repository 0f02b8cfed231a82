"""Questions about several workloads at once: `a,b`, `{a,b}`, or all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from lensd.query import lens
from lensd.query.lens import IterationSlice
from lensd.query.results import MetricInfo, PointsInfo, Selection, Slice, SourceCount
from lensd.query.time_order import Curve, iteration_curves
from lensd.store.reader import Reader

Piece = TypeVar("Piece", Slice, IterationSlice)


def uids_in(reader: Reader, text: str, all_names: frozenset[str]) -> list[str]:
    """The workloads that a text names. A workload of just this uid comes before any other meaning.

    all_names: words for all workloads, in lower case.
    """
    if reader.workload(text) is not None:
        return [text]
    if text.strip().lower() in all_names:
        return [workload.uid for workload in reader.workloads()]
    inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    return list(dict.fromkeys(uid.strip() for uid in inner.split(",") if uid.strip())) or [text]


def version_of(reader: Reader, uids: Sequence[str]) -> int:
    """Rises with every batch of any of the workloads."""
    return max((lens.workload_version(reader, uid) for uid in uids), default=0)


def last_ms(reader: Reader, uids: Sequence[str]) -> float:
    """The time of the last point of the workloads, UTC milliseconds; 0 if they have none."""
    workloads = [workload for workload in map(reader.workload, uids) if workload is not None]
    return max(
        (i.max_ts for w in workloads for i in reader.inputs(w.id) if i.max_ts is not None), default=0.0
    )


def sources(reader: Reader, uids: Sequence[str]) -> list[SourceCount]:
    """The data sources of the workloads together, the one with most iterations first."""
    counts: dict[str, int] = {}
    for uid in uids:
        for one in lens.sources(reader, uid):
            counts[one.name] = counts.get(one.name, 0) + one.count
    return [SourceCount(name, count) for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]


def available(reader: Reader, uids: Sequence[str], data_sources: frozenset[str] | None) -> list[MetricInfo]:
    """The metrics of the workloads together, by name."""
    merged: dict[str, MetricInfo] = {}
    for uid in uids:
        for one in lens.available(reader, uid, data_sources):
            metric = merged.setdefault(one.name, MetricInfo(one.name, [], 0, one.note))
            metric.data_source = sorted({*metric.data_source, *one.data_source})
            metric.count += one.count
            if metric.count:
                metric.note = msgspec.UNSET
    return [merged[name] for name in sorted(merged)]


def points(reader: Reader, uids: Sequence[str], selection: Selection) -> tuple[PointsInfo, Iterator[Slice]]:
    """The points of the workloads, one workload after the other."""
    info, curves = point_curves(reader, uids, selection)
    return info, (piece for curve in curves for piece in curve.slices)


def point_curves(reader: Reader, uids: Sequence[str], selection: Selection) -> tuple[PointsInfo, list[Curve]]:
    """Every series that the workloads show, as a curve."""
    info, curves = PointsInfo(reader.version()), list[Curve]()
    for uid in uids:
        of_one, views = lens.points_by_view(reader, uid, selection)
        info.add(of_one)
        label = uid if len(uids) > 1 else None
        curves += [Curve(name, source, label, _labelled(slices, label)) for name, source, slices in views]
    return info, curves


def iterations(
    reader: Reader, uids: Sequence[str], selection: Selection
) -> tuple[PointsInfo, Iterator[IterationSlice]]:
    """The iterations of the workloads, one workload after the other."""
    info, streams = PointsInfo(reader.version()), list[Iterator[IterationSlice]]()
    for uid in uids:
        of_one, slices = lens.iteration_times(reader, uid, selection)
        info.add(of_one)
        streams.append(_labelled(slices, uid if len(uids) > 1 else None))
    return info, (piece for stream in streams for piece in stream)


def curves_of_iterations(
    reader: Reader, uids: Sequence[str], selection: Selection, is_wide: bool
) -> tuple[PointsInfo, list[Curve]]:
    """The iterations of the workloads as curves. Raises TooManyIterations."""
    info, curves = PointsInfo(reader.version()), list[Curve]()
    for uid in uids:
        of_one, slices = lens.iteration_times(reader, uid, selection)
        info.add(of_one)
        curves += iteration_curves(slices, uid if len(uids) > 1 else None, is_wide)
    return info, curves


def _labelled(slices: Iterator[Piece], label: str | None) -> Iterator[Piece]:
    for piece in slices:
        piece.workload = label
        yield piece
