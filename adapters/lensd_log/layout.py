"""Lines that are alike to the byte but for their digits: what most lines of most logs are.

A layout is a template with the places of its digits settled. One comparison over the bytes of all lines of
its length tells which are in it; nothing has to be searched for in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

import numpy as np

from lensd_log.columns import Bools, Bytes, Lines, Matrix, starts_of_runs
from lensd_log.template import Columns, Template

_MOST_OF_A_LENGTH = 12
_MOST_LENGTHS = 512
FEWEST = 256  #: lines of one layout in a block that are worth it


class Layout:
    """The layout of one sample line that its template has read."""

    def __init__(self, template: Template, line: bytes) -> None:
        self.template = template
        self.runs = starts_of_runs(line)
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


class Layouts:
    """The layouts that were met, by the length of their lines; the one that fitted last is tried first."""

    def __init__(self) -> None:
        self._of_length: dict[int, list[Layout]] = {}

    def add(self, template: Template, line: bytes) -> None:
        if len(self._of_length) >= _MOST_LENGTHS:
            self._of_length.clear()
        layouts = self._of_length.setdefault(len(line), [])
        layouts.insert(0, Layout(template, line))
        del layouts[_MOST_OF_A_LENGTH:]

    def read(self, lines: Lines, start: int, usable: set[int], zone: tzinfo | None) -> Iterator[Columns]:
        """The columns of the lines from `start` on that are in a layout. usable: ids of templates."""
        if not self._of_length:
            return
        length = lines.last[start:] - lines.first[start:]
        for size in np.unique(length).tolist():
            layouts = self._of_length.get(size)
            if not layouts:
                continue
            left = np.flatnonzero(length == size) + start
            if len(left) < FEWEST:
                continue
            rows = lines.windows(size)[lines.first[left]]
            for layout in [*layouts]:
                if id(layout.template) not in usable:
                    continue
                inside = layout.has(rows)
                count = int(inside.sum())
                if count < FEWEST:
                    continue
                every = count == len(left)
                taken, matrix = (left, rows) if every else (left[inside], rows[inside])
                grid = Matrix(lines, lines.first[taken], matrix, layout.runs)
                yield layout.template.decode(taken, grid, zone)
                if every:
                    break
                left, rows = left[~inside], rows[~inside]
                if len(left) < FEWEST:
                    break
