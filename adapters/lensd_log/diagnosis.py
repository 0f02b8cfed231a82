"""What `lensd doctor` tells of a text log: who took which lines, and what became of them."""

from __future__ import annotations

from lensd.adapter import Diagnosis
from lensd.model import Batch
from lensd.tail import Line
from lensd_log.line.record import ParsedLine, Record
from lensd_log.patterns import propose
from lensd_log.placement import ROWS_PER_LINE

_SAMPLES = 3
_WIDEST = 160


class Observer:
    """Watches a reader line by line, and keeps what is worth telling."""

    def __init__(self) -> None:
        self.found = Diagnosis()
        self._unmatched: list[str] = []

    def line(self, line: Line, parsed_line: ParsedLine | None) -> None:
        """A line was read and is not placed yet."""
        found, text = self.found, shown(line.text)
        found.lines += 1
        if parsed_line is None or parsed_line.blank:
            return
        gave = [record for record in parsed_line.records or () if record.values or record.labels]
        if parsed_line.log_format is not None and (gave or parsed_line.records == ()):
            found.log_formats[parsed_line.log_format.name] = (
                found.log_formats.get(parsed_line.log_format.name, 0) + 1
            )
        if gave:
            found.matched += 1
            self._sample("matched", text)
            for record in gave:
                _count(found.step_from, _step_origin(record))
                _count(found.time_from, _time_origin(record, parsed_line))
        elif parsed_line.unparsed:
            found.metric_like += 1
            self._sample("metric-like, not matched", text)
            if len(self._unmatched) < 50:
                self._unmatched.append(text)
        elif parsed_line.log_format is None:
            self._sample("other", text)

    def _sample(self, kind: str, text: str) -> None:
        kept = self.found.samples.setdefault(kind, [])
        if len(kept) < _SAMPLES:
            kept.append(text)

    def batch(self, batch: Batch) -> None:
        """A batch is complete."""
        self.found.add(batch, ROWS_PER_LINE)

    def finish(self) -> Diagnosis:
        self.found.proposal = propose(self._unmatched) if self._unmatched else None
        return self.found


def _step_origin(record: Record) -> str:
    if record.step is not None:
        return "printed in the record"
    return "the training step before it" if record.evaluation else "none printed: the record's ordinal"


def _time_origin(record: Record, parsed_line: ParsedLine) -> str:
    if record.ts_ms is not None or record.printed_time:
        return "a field of the record"
    if parsed_line.stamp is not None:
        return (
            "printed in the line"
            if parsed_line.stamp.ms is not None
            else "printed in part, the rest from the file"
        )
    if parsed_line.container_ms is not None:
        return "the container's prefix"
    return "none printed: a line just before it, or reckoned from the file's own time"


def _count(origins: dict[str, int], origin: str) -> None:
    origins[origin] = origins.get(origin, 0) + 1


def shown(text: bytes) -> str:
    """A line as a terminal can bear it: no control characters, not too long."""
    line = "".join(
        c if c.isprintable() else " " for c in text[: 4 * _WIDEST].decode("utf-8", "replace")
    ).strip()
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."
