"""Lines that are alike to the byte but for their digits: what most lines of most logs are.

A layout is a template with the places of its digits settled. One comparison over the bytes of all lines of
its length tells which are in it; nothing has to be searched for in them.
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
FEWEST = 256  #: lines of one layout in a block that are worth it
_LARGE = 1024  # lines of one layout that are worth decoding by themselves


class LineLayout:
    """The layout of one sample line that its template has read."""

    def __init__(self, template: Template, line: bytes) -> None:
        self.template = template
        self.runs = starts_of_runs(line)
        self.begins = np.array([begin for begin, _ in self.runs], np.int64)
        self.sizes = np.array([end - begin for begin, end in self.runs], np.int64)
        self._sample = np.frombuffer(line, np.uint8).copy()
        #: How far above the sample a byte may be: 9 for a digit that is free, with its sample at 0.
        self._room = np.zeros(len(line), np.uint8)
        for run, (begin, end) in enumerate(self.runs):
            if run not in template.fixed:
                self._sample[begin:end] = 48
                self._room[begin:end] = 9

    def has(self, rows: Bytes) -> Bools:
        """[lines] which of the rows [lines, bytes] are in this layout."""
        inside: Bools = np.logical_and.reduce((rows - self._sample) <= self._room, axis=1)
        return inside


class LineLayouts:
    """The layouts that were met, by the length of their lines; the one that fitted last is tried first."""

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
        """The columns of the lines from `start` on that are in a layout. usable: ids of templates."""
        found: dict[int, list[_Found]] = {}
        for each in self._find(lines, start, usable):
            found.setdefault(id(each.layout.template), []).append(each)
        for parts in found.values():
            template = parts[0].layout.template
            small = [each for each in parts if len(each.members) < _LARGE]
            for each in parts if len(small) < 2 else [each for each in parts if len(each.members) >= _LARGE]:
                grid: Grid = Matrix(lines, lines.first[each.members], each.rows, each.layout.runs)
                yield template.decode(each.members, grid, zone)
            if len(small) > 1:
                members, grid = _together(lines, small)
                yield template.decode(members, grid, zone)

    def _find(self, lines: Lines, start: int, usable: set[int]) -> Iterator[_Found]:
        if not self._of_length:
            return
        length = lines.last[start:] - lines.first[start:]
        for size in np.flatnonzero(np.bincount(length) >= FEWEST).tolist():
            layouts = [each for each in self._of_length.get(size, ()) if id(each.template) in usable]
            if not layouts:
                continue
            left = np.flatnonzero(length == size) + start
            rows = lines.windows(size)[lines.first[left]]
            for layout in layouts:
                inside = layout.has(rows)
                if inside.all():
                    yield _Found(layout, left, rows)
                    break
                if np.count_nonzero(inside) >= FEWEST:
                    yield _Found(layout, left[inside], rows[inside])
                    left, rows = left[~inside], rows[~inside]
                    if len(left) < FEWEST:
                        break


@dataclass(frozen=True, slots=True)
class _Found:
    """Lines of one layout. members: which, ascending. rows: [lines, bytes] what they are."""

    layout: LineLayout
    members: Indices
    rows: Bytes


def _together(lines: Lines, parts: Sequence[_Found]) -> tuple[Indices, Grid]:
    """The lines of several layouts of one template as one grid."""
    members = np.concatenate([each.members for each in parts])
    begin = np.concatenate([lines.first[each.members][:, None] + each.layout.begins for each in parts])
    width = np.concatenate([np.tile(each.layout.sizes, (len(each.members), 1)) for each in parts])
    order = np.argsort(members, kind="stable")
    begin = begin[order]
    return members[order], Grid(lines, begin, begin + width[order])
