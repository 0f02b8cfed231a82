"""Reads `.mything` files, with `step name value` on each line: an example of an adapter for lensd."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lensd.adapter import Budget, InputGone
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Input, SeriesBuilder
from lensd.tail import Position, read_lines


class MyThingAdapter:
    name = "mything"
    data_source = "mything"

    def discover(self, roots: Roots) -> Iterable[Input]:
        for file in roots.files():
            if file.name.endswith(".mything"):
                yield roots.input(file, adapter=self.name, data_source=self.data_source)

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        position = Position.from_json(json.loads(cursor)) if cursor else None
        try:
            chunk = read_lines(input.path, position, budget.bytes)  # complete lines only
        except FileNotFoundError as error:
            raise InputGone(f"{input.name} is gone") from error
        series, counts = SeriesBuilder(), Counts(bytes=chunk.read_bytes, skipped=chunk.skipped_lines)
        for line in chunk.lines:
            counts.records += 1
            series.next_row()
            try:
                step, name, value = parse(line.text)
            except ValueError:
                counts.unparsed += 1  # a bad line is counted, never raised
            else:
                counts.matched += 1
                series.add(name, step, chunk.mtime_ms, value)
        return Batch(
            cursor=json.dumps(chunk.position.to_json()).encode(),
            series=series.build(input.prefix),
            counts=counts,
            more=chunk.more,
            restart=chunk.restarted,
            lag_bytes=chunk.lag_bytes,
            time_inferred=True,  # the lines have no times, so that of the file is used
        )

    def close(self) -> None:
        """Nothing is cached."""


def parse(line: bytes) -> tuple[int, str, float]:
    """The step, name and value on a line. Raises ValueError for other lines."""
    step, name, value = line.decode().split()
    if abs(int(step)) >= 1 << 62:
        raise ValueError("a step that no training reaches")
    return int(step), name, float(value)
