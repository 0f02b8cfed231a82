"""Which log format a line matches, and what it says.

Decided line by line, as a file may change its log format, or mix several, at any line. The user's own
patterns come before everything else, but for the log format that matched last, if that is specific: it is
asked first. Generic log formats are asked last, and not at all once a specific one has matched. A line that
none matches is given to the structural reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo

from lensd_log.cursor import LogCursor
from lensd_log.formats import LOG_FORMATS
from lensd_log.formats.epochs import step_in_run
from lensd_log.line.containers import unwrap
from lensd_log.line.entry import entry_of
from lensd_log.line.record import Entry, LogFormat, Parsed, ParsedLine, Record, State
from lensd_log.names import METRIC_LIKE
from lensd_log.structure import settled, waiting
from lensd_log.structure.reader import STRUCTURE, StructuralReader, StructureLine, Watch, claim_names
from lensd_log.structure.settled import Outline

_DIGITS = b"0123456789"
_MOST_SHAPES = 4096
_LONGEST_SHAPE = 4096
_METRIC_LIKE_HEAD = 1000


def _with_needles(log_formats: Iterable[LogFormat]) -> list[tuple[LogFormat, tuple[str, ...]]]:
    """Each log format with its needles, without digits."""
    return [
        (log_format, tuple(map(_without_digits, log_format.needles)) or ("",)) for log_format in log_formats
    ]


def _without_digits(text: str) -> str:
    """As bytes it takes a fifth of the time."""
    return text.encode("utf-8", "surrogatepass").translate(None, _DIGITS).decode("utf-8", "surrogatepass")


_WITH_NEEDLES = _with_needles(LOG_FORMATS)


class Recognition:
    """The log formats of one adapter, the user's `patterns` among them.

    zone: of times that are printed without one; None means UTC. Remembers, as a cache, which log formats
    lines of one shape may match.
    """

    def __init__(self, patterns: Sequence[LogFormat], zone: tzinfo | None) -> None:
        self.zone = zone
        self._log_formats = (*patterns, *LOG_FORMATS)
        self._needles = [*_with_needles(patterns), *_WITH_NEEDLES]
        self._structure = StructuralReader()
        self._candidates: dict[bytes | str, tuple[LogFormat, ...]] = {}

    def read(
        self,
        line: bytes,
        complete: bool,
        cursor: LogCursor,
        shape: bytes | None = None,
        *,
        strict: bool = False,
        catch_up: Callable[[], None] | None = None,
    ) -> ParsedLine | None:
        """What a line says; None where it goes on in the next one. Moves the states of log formats on.

        shape: the line without its digits, from callers that have it. strict: every line is meant to be a
        record. catch_up: places the lines above that are not placed yet.
        """
        if cursor.partial:  # this may be the end of a longer line
            shape = None
        unwrapped = unwrap(line, cursor.partial, self.zone)
        if unwrapped is None:
            return None
        entry, stripped = entry_of(unwrapped.text, complete, self.zone)
        rank = stripped.rank if unwrapped.rank is None else unwrapped.rank
        parsed_line = ParsedLine(stamp=stripped.stamp, container_ms=unwrapped.ts_ms, rank=rank, entry=entry)
        if not entry.text:
            parsed_line.blank = True
            return parsed_line
        parsed_line.log_format, records = _match(entry, self.candidates(entry, shape), cursor)
        if records and records[0].counters is not None:
            records = self._place(records, entry, cursor, catch_up)
        elif records and any(record.epoch is not None for record in records):
            _place_in_epochs(records, parsed_line.log_format, cursor, catch_up)
        if records:
            claim_names(records, cursor.structure)
        elif records is not None:
            self._structure.read_header(entry, cursor.structure)
        elif not strict:
            records = self._read_structure(entry, parsed_line, cursor, catch_up)
        if records is None:
            # Prose is an unparsed record only where every line has to be one.
            open_ended = parsed_line.waits or "box" in cursor.structure
            metric_like = not open_ended and METRIC_LIKE.search(entry.text[:_METRIC_LIKE_HEAD]) is not None
            parsed_line.unparsed = strict or metric_like
        else:
            parsed_line.records = tuple(records)
            parsed_line.unparsed = bool(records) and not records[0].values and not records[0].labels
        return parsed_line

    def watch(self, watch: Watch | None) -> None:
        """Show what the structural reader finds in lines to `watch`."""
        self._structure.watch = watch

    def _place(
        self,
        records: Sequence[Record],
        entry: Entry,
        cursor: LogCursor,
        catch_up: Callable[[], None] | None,
    ) -> Parsed:
        if catch_up is not None:
            catch_up()
        line = StructureLine(entry.text, cursor.lines, last_step=cursor.last_step)
        return self._structure.place_records(records, line, cursor.structure)

    def _read_structure(
        self,
        entry: Entry,
        parsed_line: ParsedLine,
        cursor: LogCursor,
        catch_up: Callable[[], None] | None,
    ) -> Parsed:
        """Give a line that no log format matches to the structural reader."""
        if not entry.complete or not self._structure.hears(entry, cursor.lines, cursor.structure):
            return None
        if catch_up is not None:
            catch_up()
        number, stamped = cursor.lines, parsed_line.stamp is not None
        line = StructureLine(entry.text, number, parsed_line.rank, stamped, entry.states, cursor.last_step)
        placed = self._structure.read(line, cursor.structure)
        parsed_line.waits = waiting.has(cursor.structure, number)
        parsed_line.lost = waiting.take_lost(cursor.structure)
        if not placed:
            return None
        parsed_line.log_format = STRUCTURE
        parsed_line.earlier = [record for record in placed if record.line != number]
        own = [record for record in placed if record.line == number]
        ranks = {record.rank for record in own}
        if len(ranks) == 1:
            parsed_line.rank = ranks.pop()
        if cursor.log_format != STRUCTURE.name:
            cursor.matched_by(STRUCTURE)
        return [placed_record.record for placed_record in own]

    def outline(self, entry: Entry, state: State) -> Outline | None:
        """What a line that no log format matches says, but for its numbers. None where more may matter."""
        return (
            settled.outline(entry.text, state, self._structure.sketcher) if len(entry.states) == 1 else None
        )

    def is_inert(self, entry: Entry) -> bool:
        """Would the structural reader pass over any line that differs from this one in digits alone?"""
        return self._structure.is_inert(entry.text)

    def candidates(self, entry: Entry, shape: bytes | None = None) -> tuple[LogFormat, ...]:
        """The log formats that have no needles or one that is in the line, without digits in both.

        shape: see `read`.
        """
        if shape is not None and shape in self._candidates:
            return self._candidates[shape]
        text = entry.text if len(entry.states) == 1 else "\n".join((entry.text, *entry.states))
        text = _without_digits(text)
        key = text if shape is None else shape
        if key in self._candidates:
            return self._candidates[key]
        matching: list[LogFormat] = []
        for log_format, needles in self._needles:
            for needle in needles:  # this is a hot loop: `any` would take twice as long
                if needle in text:
                    matching.append(log_format)
                    break
        candidates = tuple(matching)
        if len(key) < _LONGEST_SHAPE:
            if len(self._candidates) >= _MOST_SHAPES:
                self._candidates.clear()
            self._candidates[key] = candidates
        return candidates

    def peek(self, entry: Entry, cursor: LogCursor) -> Iterator[tuple[LogFormat, Record]]:
        """The records that log formats hold open and that a line without its newline completes (a bar behind
        a dict)."""
        for log_format in self._log_formats:
            state = cursor.states.get(log_format.name)
            if log_format.peek is not None and state is not None:
                for record in log_format.peek(entry, state):
                    cursor.matched_by(log_format)
                    yield log_format, record

    def holds_open(self, cursor: LogCursor) -> bool:
        """Does some log format, or the structural reader, wait for lines to come?"""
        trial = cursor.copy()
        if self._structure.results(cursor.lines, trial.structure):
            return True
        return any(
            log_format.rest is not None
            and log_format.name in trial.states
            and log_format.rest(trial.states[log_format.name])
            for log_format in self._log_formats
        )

    def rest(self, cursor: LogCursor) -> Iterator[tuple[LogFormat, Record]]:
        """The records that log formats and the structural reader hold open, as they are. Closes them."""
        for record in self._structure.results(cursor.lines, cursor.structure):
            if cursor.log_format is None:
                cursor.matched_by(STRUCTURE)
            yield STRUCTURE, record
        for log_format in self._log_formats:
            state = cursor.states.get(log_format.name)
            if log_format.rest is None or state is None:
                continue
            for record in log_format.rest(state):
                cursor.matched_by(log_format)
                yield log_format, record
            if not state:
                del cursor.states[log_format.name]

    def records_of(
        self, lines: Sequence[bytes], cursor: LogCursor, *, strict: bool = False
    ) -> Iterator[Record]:
        """The records of lines that are read ahead of their turn: the cursor stays as it is. strict: only
        those of log formats, see `read`."""
        cursor = cursor.copy()
        cursor.partial = {}
        watch, self._structure.watch = self._structure.watch, None
        try:
            for line in lines:
                parsed_line = self.read(line, True, cursor, strict=strict)
                if parsed_line is not None:
                    yield from parsed_line.records or ()
        finally:
            self._structure.watch = watch


def _place_in_epochs(
    records: Sequence[Record],
    log_format: LogFormat | None,
    cursor: LogCursor,
    catch_up: Callable[[], None] | None,
) -> None:
    """Find the steps through the run of records that print their epoch."""
    if catch_up is not None:
        catch_up()
    assert log_format is not None
    state = cursor.epochs.setdefault(log_format.name, {})
    for record in records:
        if record.epoch is not None and record.step is not None:
            record.step = step_in_run(record.step, None, int(record.epoch), state)


def _match(
    entry: Entry, candidates: Sequence[LogFormat], cursor: LogCursor
) -> tuple[LogFormat | None, Parsed]:
    """The first candidate that matches, and its records."""
    for log_format in candidates:
        if log_format.name == cursor.log_format and not log_format.generic:
            candidates = (log_format, *(other for other in candidates if other is not log_format))
            break
    for log_format in candidates:
        if log_format.generic and cursor.specific:
            continue
        records = _parse(log_format, entry, cursor)
        if records is not None:
            if cursor.log_format != log_format.name and any(record.values for record in records):
                cursor.matched_by(log_format)
            return log_format, records
    return None, None


def _parse(log_format: LogFormat, entry: Entry, cursor: LogCursor) -> Parsed:
    state: State = cursor.states.get(log_format.name, {})
    parsed = log_format.parse(entry, state)
    if state:
        cursor.states[log_format.name] = state
    else:
        cursor.states.pop(log_format.name, None)
    return parsed
