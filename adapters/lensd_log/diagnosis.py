"""What `lensd doctor` shows of a text log: which log format matched which lines, and what became of them."""

from __future__ import annotations

from lensd.adapter import Diagnosis
from lensd.model import Batch
from lensd.tail import Line
from lensd_log.line.record import ParsedLine, Record
from lensd_log.patterns import propose
from lensd_log.placement import ROWS_PER_LINE

_SAMPLES = 3  # lines of each kind
_WIDEST = 160
_PROPOSED_FROM = 50  # lines


class DiagnosisBuilder:
    """Makes a diagnosis of the lines and batches of one reading."""

    def __init__(self) -> None:
        self.diagnosis = Diagnosis()
        self._unmatched: list[str] = []

    def add_line(self, line: Line, parsed_line: ParsedLine | None) -> None:
        """Add a line that was read and is not placed yet. Placing fills in the steps of its records."""
        diagnosis, text = self.diagnosis, printable(line.text)
        diagnosis.lines += 1
        if parsed_line is None or parsed_line.blank:
            return
        records = [record for record in parsed_line.records or () if record.values or record.labels]
        if parsed_line.log_format is not None and (records or parsed_line.records == ()):
            _count(diagnosis.log_formats, parsed_line.log_format.name)
        if records:
            diagnosis.matched += 1
            self._sample("matched", text)
            for record in records:
                _count(diagnosis.step_from, _step_origin(record))
                _count(diagnosis.time_from, _time_origin(record, parsed_line))
        elif parsed_line.unparsed or parsed_line.waits:
            diagnosis.metric_like += 1
            self._sample("metric-like, not matched", text)
            if len(self._unmatched) < _PROPOSED_FROM:
                self._unmatched.append(text)
        elif parsed_line.log_format is None:
            self._sample("other", text)

    def _sample(self, kind: str, text: str) -> None:
        samples = self.diagnosis.samples.setdefault(kind, [])
        if len(samples) < _SAMPLES:
            samples.append(text)

    def add_batch(self, batch: Batch) -> None:
        self.diagnosis.add(batch, ROWS_PER_LINE)

    def finish(self) -> Diagnosis:
        """The diagnosis, with a proposal for the lines that look like metrics and did not match."""
        self.diagnosis.proposal = propose(self._unmatched) if self._unmatched else None
        return self.diagnosis


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
    return "none printed: a line just before it, or inferred from the file's own time"


def _count(origins: dict[str, int], origin: str) -> None:
    origins[origin] = origins.get(origin, 0) + 1


def printable(text: bytes) -> str:
    """A line that a terminal can show: no control characters, at most 160 characters."""
    head = text[: 4 * _WIDEST].decode("utf-8", "replace")
    line = "".join(c if c.isprintable() else " " for c in head).strip()
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."
