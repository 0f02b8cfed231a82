"""The records of a `.wandb` file, except rows of history (see `history`).

Format: wandb SDK 0.12 to 0.31, `wandb_internal.proto`, message Record. Other fields are stepped over without
reading their content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lensd.model import Fact, LogLine, SeriesBuilder
from lensd.tail.protobuf import BYTES, VARINT, WireError, fields, signed, text, varint
from lensd.wandb.about import environment_facts, tag_facts
from lensd.wandb.values import (
    config_facts,
    is_private,
    loads,
    name_of,
    number_of,
    scalar_facts,
    system_name,
)
from lensd_wandb.items import items

HISTORY, SUMMARY, OUTPUT, CONFIG, STATS, METRIC, OUTPUT_RAW, RUN, EXIT, ENVIRONMENT = (
    2, 3, 4, 5, 7, 12, 13, 17, 18, 26,
)  # fmt: skip
_READ = frozenset((HISTORY, SUMMARY, OUTPUT, CONFIG, STATS, METRIC, OUTPUT_RAW, RUN, EXIT, ENVIRONMENT))

#: Facts by field of a RunRecord; those of an EnvironmentRecord by the name that its JSON has.
_LABELS = {
    1: "run_id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name", 9: "notes", 12: "sweep",
    13: "host",
}  # fmt: skip
_ENVIRONMENT = {1: "os", 2: "python", 6: "program", 12: "host", 18: "gpu"}

#: The beginning of nearly all records: their number, then a row of history or a summary.
_USUAL_HEAD = re.compile(
    rb"\x08[\x80-\xff]{0,9}[\x00-\x7f]([\x12\x1a])([\x80-\xff]{0,4}[\x00-\x7f])", re.DOTALL
)

_LONGEST_METADATA = 1 << 20
#: Characters of console output after which a line is cut.
_MAX_LINE = 1 << 16


def content(record: bytes) -> tuple[int, int, int]:
    """(field, begin, end) of what a record holds; field 0 where that is none of those above.

    Raises WireError."""
    at, end = 0, len(record)
    head = _USUAL_HEAD.match(record)
    if head:
        length = 0
        for place, byte in enumerate(head[2]):
            length |= (byte & 0x7F) << 7 * place
        if head.end() + length == end:
            return head[1][0] >> 3, head.end(), end
    while at < end:
        tag, at = varint(record, at)
        kind = tag & 7
        if kind == BYTES:
            length, at = varint(record, at)
            if at + length > end:
                raise WireError("a field is cut off")
            if tag >> 3 in _READ:
                return tag >> 3, at, at + length
            at += length
        elif kind == VARINT:
            _, at = varint(record, at)
        else:
            break
    return 0, end, end


class Facts:
    """Collects the facts of a run."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def summary(self, data: bytes, begin: int, end: int) -> None:
        self.facts.update(scalar_facts("summary.", _nested(data, begin, end)))

    def config(self, data: bytes, begin: int, end: int) -> None:
        self.facts.update(config_facts(_nested(data, begin, end)))

    def run(self, data: bytes, begin: int, end: int) -> None:
        tags = []
        for number, kind, _, first, last in fields(data, begin, end):
            if kind != BYTES:
                continue
            if number in _LABELS and last > first:
                self.facts[_LABELS[number]] = text(data, first, last)
            elif number == 10:
                tags.append(text(data, first, last))
            elif number == 4:
                self.config(data, first, last)
            elif number == 17:
                self.facts["start_time"] = timestamp_ms(data, first, last) / 1000.0
        self.facts |= tag_facts(tags)

    def environment(self, data: bytes, begin: int, end: int) -> None:
        environment: dict[str, object] = {}
        arguments = []
        for number, kind, value, first, last in fields(data, begin, end):
            if number == 5 and kind == BYTES:
                arguments.append(text(data, first, last))
            elif number in _ENVIRONMENT and kind == BYTES:
                environment[_ENVIRONMENT[number]] = text(data, first, last)
            elif number == 19 and kind == VARINT:
                environment["gpu_count"] = value
        self.facts |= environment_facts(environment | {"args": arguments})

    def metadata(self, path: str) -> None:
        """Take the environment out of a `wandb-metadata.json`, if there is a readable one."""
        try:
            with open(path, "rb") as file:
                environment = loads(file.read(_LONGEST_METADATA))
        except (OSError, ValueError):
            return
        if isinstance(environment, dict):
            self.facts |= environment_facts(environment)

    def exit(self, data: bytes, begin: int, end: int) -> None:
        code = 0  # a zero is not written
        for number, kind, value, _, _ in fields(data, begin, end):
            if number == 1 and kind == VARINT:
                code = signed(value)
        self.facts["exit_code"] = code
        self.facts["status"] = "finished" if code == 0 else "failed"


def definition(data: bytes, begin: int, end: int) -> tuple[str, str]:
    """(name or pattern, axis) of a MetricRecord; empty where it has none."""
    names = {1: "", 2: "", 4: ""}
    for number, kind, _, first, last in fields(data, begin, end):
        if number in names and kind == BYTES:
            names[number] = text(data, first, last)
    return names[1] or names[2], names[4]


def _nested(data: bytes, begin: int, end: int) -> dict[str, object]:
    """The items of an update by name, those of the SDK's bookkeeping left out."""
    values = items(data, begin, end)
    return {name_of(path): value for path, value in values.items() if not is_private(path[0])}


def add_stats(data: bytes, begin: int, end: int, step: int, points: SeriesBuilder) -> bool:
    """Add the numbers of a StatsRecord at `step`; whether there were any."""
    ts_ms = None
    for number, kind, _, first, last in fields(data, begin, end):
        if number == 2 and kind == BYTES:
            ts_ms = timestamp_ms(data, first, last)
    if ts_ms is None:
        return False
    before = points.points
    for path, value in items(data, begin, end, 3).items():
        measurement = number_of(value)
        if measurement is not None and not is_private(path[0]):
            points.add(system_name(name_of(path)), step, ts_ms, measurement)
    return points.points > before


def output_lines(data: bytes, begin: int, end: int, partial: dict[str, str]) -> Iterator[LogLine]:
    """The lines that an OutputRecord or OutputRawRecord completes. `partial` keeps the rest, by stream."""
    stream, ts_ms, output = "stderr", 0.0, ""
    for number, kind, value, first, last in fields(data, begin, end):
        if number == 1 and kind == VARINT:
            stream = "stdout" if value == 1 else "stderr"
        elif number == 2 and kind == BYTES:
            ts_ms = timestamp_ms(data, first, last)
        elif number == 3 and kind == BYTES:
            output = text(data, first, last)
    *whole, rest = (partial.pop(stream, "") + output).split("\n")
    if len(rest) > _MAX_LINE:
        whole, rest = [*whole, rest], ""
    if rest:
        partial[stream] = rest
    for line in whole:
        yield LogLine(ts_ms, line)


def timestamp_ms(data: bytes, begin: int, end: int) -> float:
    """google.protobuf.Timestamp as UTC milliseconds. Raises WireError."""
    seconds = nanos = 0
    for number, kind, value, _, _ in fields(data, begin, end):
        if number == 1 and kind == VARINT:
            seconds = signed(value)
        elif number == 2 and kind == VARINT:
            nanos = signed(value)
    return seconds * 1000.0 + nanos / 1e6
