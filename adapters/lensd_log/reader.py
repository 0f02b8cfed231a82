"""From lines to points: one read of one text input.

Owns the order of things: tail, unwrap, recognise, place in steps and time, collect. Knows no format;
formats are in `dialects`. Right from the cursor alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import tzinfo

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.model import Batch, Input, LineMark, Points, SeriesBuilder
from lensd.tail import Chunk, Line, pieces, read_lines, segments, strip_ansi
from lensd_log.clock import Clock, Survey
from lensd_log.cursor import Cursor
from lensd_log.dialects import DIALECTS
from lensd_log.dialects.names import METRIC_LIKE
from lensd_log.record import Dialect, Entry, Record
from lensd_log.stamps import Stamp
from lensd_log.survey import survey
from lensd_log.wrappers import Peeled, container, peel

_CHUNK = 1 << 18
_MARK_LINES = 512
_MARK_BYTES = 1 << 16
_CHECK_EVERY = 256  # lines between looks at the clock
_MANY = 20  # lines of which none matched before the user is told
_MAX_RANKED = 4096

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


class LineReader:
    """Reads one batch of `input` from `cursor`. Made for each read; holds nothing afterwards."""

    def __init__(
        self,
        input: Input,
        cursor: Cursor,
        budget: Budget,
        zone: tzinfo | None,
        *,
        binary_allowed: bool = False,
    ) -> None:
        self._binary_allowed = binary_allowed
        self._input = input
        self._cursor = cursor
        self._budget = budget
        self._zone = zone
        self._series = SeriesBuilder()
        self._targets: list[tuple[int, float, float, int]] = []
        self._batch = Batch(cursor=b"")
        self._live = cursor.ended
        self._clock: Clock
        self._bytes = 0

    def read(self) -> Batch:
        """Raises InputGone, InputDead, RetryAfter."""
        batch, cursor = self._batch, self._cursor
        if not cursor.position.piece and not self._binary_allowed:
            self._refuse_binary()
        while True:
            chunk = self._chunk()
            if chunk.restarted:
                self._restart()
            self._clock = Clock(
                cursor.clock, self._zone, chunk.mtime_ms, self._budget.now_ms, self._live, self._survey
            )
            stopped = self._take(chunk)
            batch.time_inferred = batch.time_inferred or self._clock.inferred
            batch.lag_bytes = chunk.lag_bytes
            batch.more = stopped or chunk.more
            if stopped or not chunk.more or self._budget.spent(self._bytes, self._series.points):
                break
        if not batch.more and chunk.torn:
            self._peek(chunk)
        cursor.ended = not batch.more
        return self._finish()

    def _chunk(self) -> Chunk:
        path = self._input.path
        want = max(1, min(_CHUNK, self._budget.bytes - self._bytes))
        try:
            return read_lines(path, self._cursor.position if self._cursor.position.piece else None, want)
        except FileNotFoundError:
            raise InputGone(f"{self._input.name}: the file is not there any more") from None
        except PermissionError:
            raise RetryAfter(f"{self._input.name}: not readable by this user", 30.0) from None
        except OSError as error:
            raise RetryAfter(f"{self._input.name}: {error.strerror or error}") from None

    def _restart(self) -> None:
        """The file was replaced or cut: what follows has nothing to do with what was before."""
        cursor = self._cursor
        self._batch.restart = True
        fresh = Cursor(position=cursor.position, mark_line=cursor.mark_line, told=cursor.told)
        fresh.lines, fresh.matched, fresh.unparsed = cursor.lines, cursor.matched, cursor.unparsed
        fresh.ended = cursor.ended
        for name in fresh.__slots__:
            setattr(cursor, name, getattr(fresh, name))

    def _take(self, chunk: Chunk) -> bool:
        """Feed the lines of a chunk; true when the budget ended it before its end."""
        cursor = self._cursor
        self._batch.counts.skipped += chunk.skipped_lines
        begin = cursor.position.offset if cursor.position.piece == chunk.position.piece else 0
        for index, line in enumerate(chunk.lines):
            if index and self._spent(index, line, begin):
                cursor.position = chunk.position_at(index)
                self._count_bytes(line.start - begin)
                return True
            self._mark(line, chunk.position.piece)
            self._feed(line)
        cursor.position = chunk.position
        self._count_bytes(chunk.read_bytes)
        return False

    def _spent(self, index: int, line: Line, begin: int) -> bool:
        if self._series.points >= self._budget.points:
            return True
        used = self._bytes + line.start - begin
        if used >= self._budget.bytes:
            return True
        return index % _CHECK_EVERY == 0 and self._budget.spent(used, self._series.points)

    def _count_bytes(self, count: int) -> None:
        self._bytes += count
        self._batch.counts.bytes += count

    def _mark(self, line: Line, piece: str) -> None:
        cursor = self._cursor
        moved = line.start - cursor.mark_offset
        if (
            cursor.mark_line < 0
            or line.number - cursor.mark_line >= _MARK_LINES
            or not 0 <= moved < _MARK_BYTES
        ):
            self._batch.marks.append(LineMark(line.number, piece, line.start))
            cursor.mark_line, cursor.mark_offset = line.number, line.start

    def _feed(self, line: Line) -> None:
        cursor = self._cursor
        counts = self._batch.counts
        counts.records += 1
        cursor.lines += 1
        unwrapped = container(line.text, cursor.partial)
        if unwrapped is None:
            return
        text, container_ms = unwrapped
        entry, stamp, rank = _entry(text, line.complete, self._zone)
        ts_ms = self._clock.stamp(stamp, container_ms)
        if not entry.text:
            return
        dialect, records = self._recognise(entry)
        gave = False
        if dialect is not None:
            for record in records or ():
                gave = self._add(record, dialect, ts_ms, rank) or gave
        if gave:
            counts.matched += 1
            cursor.matched += 1
        elif (records and not records[0].values and not records[0].labels) or (
            records is None and METRIC_LIKE.search(entry.text[:1000])
        ):
            counts.unparsed += 1
            cursor.unparsed += 1

    def _recognise(self, entry: Entry) -> tuple[Dialect | None, list[Record] | None]:
        """The dialect of a line: the one that matched last is asked first, generic ones last."""
        cursor = self._cursor
        for dialect in _order(cursor.dialect):
            if dialect.generic and cursor.specific:
                continue
            wanted = dialect.wants(entry.text) or (
                len(entry.states) > 1 and any(dialect.wants(state) for state in entry.states)
            )
            if not wanted:
                continue
            state = cursor.states.get(dialect.name)
            if state is None:
                state = {}
            parsed = dialect.parse(entry, state)
            if state:
                cursor.states[dialect.name] = state
            elif dialect.name in cursor.states:
                del cursor.states[dialect.name]
            if parsed is not None:
                if any(record.values for record in parsed):
                    self._became(dialect)
                return dialect, list(parsed)
        return None, None

    def _became(self, dialect: Dialect) -> None:
        cursor = self._cursor
        if cursor.dialect != dialect.name:
            cursor.dialect = dialect.name
            cursor.specific = cursor.specific or not dialect.generic
        if dialect.framework and "framework" not in cursor.told:
            self._tell("framework", dialect.framework)

    def _tell(self, name: str, value: str | int) -> None:
        if self._cursor.told.get(name) != value:
            self._cursor.told[name] = value
            self._batch.facts[name] = value

    def _add(self, record: Record, dialect: Dialect, ts_ms: float | None, rank: int | None) -> bool:
        """Place a record in steps and time; true when it gave (or another rank had given) its points."""
        cursor = self._cursor
        if not record.values and not record.labels:
            return False
        if record.framework:
            self._tell("framework", record.framework)
        if record.step is None:
            record.step = self._place(record)
        elif not record.evaluation:
            cursor.last_step = record.step
        values = record.values
        if rank is not None and not record.evaluation:
            values = [pair for pair in values if self._follows(pair[0], rank, record.step)]
        if not values and not record.labels:
            return True
        if record.ts_ms is not None:
            ts_ms = record.ts_ms
        if ts_ms is None:
            ts_ms = self._clock.infer(record)
        row = self._series.next_row()
        for name, value in values:
            self._series.add(name, record.step, ts_ms, value)
        for name, text in record.labels:
            self._series.add_text(name, record.step, ts_ms, text)
        if record.target is not None:
            self._targets.append((record.step, ts_ms, float(record.target), row))
            self._tell("target_iteration", record.target)
        return True

    def _place(self, record: Record) -> int:
        cursor = self._cursor
        if record.evaluation and cursor.last_step is not None:
            return cursor.last_step
        cursor.ordinal += 1
        if not record.evaluation:
            cursor.last_step = cursor.ordinal
        return cursor.ordinal

    def _follows(self, name: str, rank: int, step: int) -> bool:
        """A metric follows the rank that printed it first; another takes over only when that one has fallen
        silent for two of its steps. Ranks print the same steps with slightly different values."""
        ranks = self._cursor.ranks
        held = ranks.get(name)
        if held is None:
            if len(ranks) < _MAX_RANKED:
                ranks[name] = [rank, step, 0]
            return True
        if held[0] != rank and step <= held[1] + max(1, 2 * held[2]):
            return False
        ranks[name] = [rank, step, max(0, step - held[1])]
        return True

    def _peek(self, chunk: Chunk) -> None:
        """A line whose newline has not come may complete what its dialect holds open (a bar behind a
        dict)."""
        dialect = _BY_NAME.get(self._cursor.dialect or "")
        for candidate in DIALECTS:
            if candidate.peek is not None and candidate.name in self._cursor.states:
                dialect = candidate
        if dialect is None or dialect.peek is None or dialect.name not in self._cursor.states:
            return
        entry, _, rank = _entry(chunk.torn, False, self._zone)
        if not entry.text:
            return
        for record in dialect.peek(entry, self._cursor.states[dialect.name]):
            self._became(dialect)
            self._add(record, dialect, None, rank)

    def _survey(self) -> Survey:
        states = copy.deepcopy(self._cursor.states)
        dialect = self._cursor.dialect

        def parse(line: bytes) -> Iterator[Record]:
            unwrapped = container(line, {})
            if unwrapped is None:
                return
            entry, _, _ = _entry(unwrapped[0], True, self._zone)
            for candidate in _order(dialect):
                if not any(candidate.wants(state) for state in (entry.text, *entry.states)):
                    continue
                parsed = candidate.parse(entry, states.setdefault(candidate.name, {}))
                if parsed is not None:
                    yield from parsed
                    return

        try:
            return survey(self._input.path, parse)
        except OSError:
            return Survey()

    def _refuse_binary(self) -> None:
        try:
            head = read_head(self._input.path)
        except OSError:
            return
        if looks_binary(head):
            raise InputDead(f"{self._input.name}: this is a binary file, not a text log")

    def _finish(self) -> Batch:
        batch, cursor = self._batch, self._cursor
        batch.series = self._series.build(self._input.prefix)
        if self._targets:
            batch.targets = Points.of(*zip(*self._targets, strict=True))
        batch.dialect = cursor.dialect
        if not cursor.matched and not batch.more and cursor.lines >= _MANY and self._expects_metrics():
            batch.note = f"0 of {cursor.lines} lines matched any dialect"
        batch.cursor = cursor.encode()
        return batch

    def _expects_metrics(self) -> bool:
        """Prose and data files (`notes.txt`) are no news; logs and what looks like metrics are."""
        return self._cursor.unparsed > 0 or not self._input.path.endswith((".txt", ".csv"))


def read_head(path: str) -> bytes:
    """The first 4 KiB of the stream at `path`. Raises OSError."""
    return pieces(path)[0].read(0, 4096)


def looks_binary(head: bytes) -> bool:
    """NUL bytes and control characters among the first bytes. Leading NULs alone are the hole that
    copytruncate leaves under a writer that does not append; a UTF-16 mark announces text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = head.lstrip(b"\0")
    if b"\0" not in text:
        return False
    strange = sum(byte < 32 and byte not in b"\t\n\r\x08\x0c\x1b" for byte in text)
    return strange * 20 > len(text)


def _entry(text: bytes, complete: bool, zone: tzinfo | None) -> tuple[Entry, Stamp | None, int | None]:
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"\x1b" in text:
        text = strip_ansi(text)
    if b"\r" in text or b"\x08" in text:
        states = [state.decode("utf-8", "replace") for state in segments(text)]
        peeled = peel(states[-1], zone) if states else Peeled("")
        return Entry(peeled.text, states, complete), peeled.stamp, peeled.rank
    line = text.decode("utf-8", "replace")
    peeled = peel(line, zone)
    return Entry(peeled.text, (line,), complete), peeled.stamp, peeled.rank


def _order(first: str | None) -> tuple[Dialect, ...]:
    if first is None:
        return DIALECTS
    order = _orders.get(first)
    if order is None:
        lead = _BY_NAME.get(first)
        rest = tuple(dialect for dialect in DIALECTS if dialect is not lead)
        order = DIALECTS if lead is None or lead.generic else (lead, *rest)
        _orders[first] = order
    return order


_orders: dict[str, tuple[Dialect, ...]] = {}
