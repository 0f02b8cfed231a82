"""Lines that differ in nothing but their digits, byte by byte, as most lines of most logs do.

A layout is a template whose digits have fixed places. One comparison over the bytes of all lines of its
length finds the lines that have it, without a search for digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from lensd_log.fast.grid import Bools, Bytes, Grid, Indices, Lines, Matrix, starts_of_runs
from lensd_log.fast.template import RecordColumns, Template

_MOST_OF_A_LENGTH = 12
_MOST_LENGTHS = 512
FEWEST = 256  #: lines of one layout in a block that are worth reading together
_LARGE = 1024  # lines of one layout that are worth decoding by themselves


class LineLayout:
    """The layout of one sample line that its template has read."""

    def __init__(self, template: Template, line: bytes) -> None:
        self.template = template
        self.runs = starts_of_runs(line)
        self.begins = np.array([begin for begin, _ in self.runs], np.int64)
        self.sizes = np.array([end - begin for begin, end in self.runs], np.int64)
        self._sample = np.frombuffer(line, np.uint8).copy()
        #: How far above the sample a byte may be: 9 for a free digit, whose sample is 0.
        self._room = np.zeros(len(line), np.uint8)
        for run, (begin, end) in enumerate(self.runs):
            if run not in template.fixed:
                self._sample[begin:end] = 48
                self._room[begin:end] = 9
            if run in template.minutes:
                self._room[begin] = 5
            if run in template.unpadded and end - begin > 1:
                self._sample[begin], self._room[begin] = 49, 8

    def has(self, rows: Bytes) -> Bools:
        """[lines] which of the rows [lines, bytes] have this layout."""
        inside: Bools = np.logical_and.reduce((rows - self._sample) <= self._room, axis=1)
        return inside


class LineLayouts:
    """The layouts that were learnt, by the length of their lines. The newest is tried first."""

    def __init__(self) -> None:
        self._of_length: dict[int, list[LineLayout]] = {}

    def add(self, template: Template, line: bytes) -> None:
        if len(self._of_length) >= _MOST_LENGTHS:
            self._of_length.clear()
        layouts = self._of_length.setdefault(len(line), [])
        layouts.insert(0, LineLayout(template, line))
        del layouts[_MOST_OF_A_LENGTH:]

    def read(
        self, lines: Lines, start: int, usable: set[int], zone: tzinfo | None
    ) -> Iterator[RecordColumns]:
        """The columns of the lines from `start` on that have a layout. usable: ids of templates."""
        by_template: dict[int, list[_LayoutGroup]] = {}
        for group in self._groups(lines, start, usable):
            by_template.setdefault(id(group.layout.template), []).append(group)
        for groups in by_template.values():
            template = groups[0].layout.template
            small = [group for group in groups if len(group.members) < _LARGE]
            if len(small) < 2:
                small = []
            for group in groups:
                if not small or len(group.members) >= _LARGE:
                    grid: Grid = Matrix(lines, lines.first[group.members], group.rows, group.layout.runs)
                    yield template.decode(group.members, grid, zone)
            if small:
                members, grid = _joined(lines, small)
                yield template.decode(members, grid, zone)

    def _groups(self, lines: Lines, start: int, usable: set[int]) -> Iterator[_LayoutGroup]:
        if not self._of_length:
            return
        length = lines.last[start:] - lines.first[start:]
        for size in np.flatnonzero(np.bincount(length) >= FEWEST).tolist():
            layouts = [layout for layout in self._of_length.get(size, ()) if id(layout.template) in usable]
            if not layouts:
                continue
            left = np.flatnonzero(length == size) + start
            rows = lines.windows(size)[lines.first[left]]
            for layout in layouts:
                inside = layout.has(rows)
                if inside.all():
                    yield _LayoutGroup(layout, left, rows)
                    break
                if np.count_nonzero(inside) >= FEWEST:
                    yield _LayoutGroup(layout, left[inside], rows[inside])
                    left, rows = left[~inside], rows[~inside]
                    if len(left) < FEWEST:
                        break


@dataclass(frozen=True, slots=True)
class _LayoutGroup:
    """Lines of one layout. members: their indices, ascending. rows: [lines, bytes] the lines."""

    layout: LineLayout
    members: Indices
    rows: Bytes


def _joined(lines: Lines, groups: Sequence[_LayoutGroup]) -> tuple[Indices, Grid]:
    """The lines of several layouts of one template as one grid."""
    members = np.concatenate([group.members for group in groups])
    begin = np.concatenate([lines.first[group.members][:, None] + group.layout.begins for group in groups])
    width = np.concatenate([np.tile(group.layout.sizes, (len(group.members), 1)) for group in groups])
    order = np.argsort(members, kind="stable")
    begin = begin[order]
    return members[order], Grid(lines, begin, begin + width[order])
