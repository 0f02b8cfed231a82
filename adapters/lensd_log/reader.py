"""From lines to points: one read of one text input.

Owns the order of things: tail, unwrap, recognise, place in steps and time, collect. Knows no format;
formats are in `dialects`. Right from the cursor alone.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import tzinfo

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.model import Batch, Counts, Input, LineMark, Points, Restarts, SeriesBuilder
from lensd.tail import Chunk, Line, pieces, read_lines, tail_position
from lensd_log import survey
from lensd_log.binary import looks_binary
from lensd_log.clock import Clock, Survey
from lensd_log.cursor import Cursor
from lensd_log.dialects.names import METRIC_LIKE
from lensd_log.recognition import entry_of, peek, recognise, records_of
from lensd_log.record import Dialect, Record
from lensd_log.stamps import parse_iso
from lensd_log.wrappers import container

_CHUNK = 1 << 18
_MARK_LINES = 512
_MARK_BYTES = 1 << 16
_CHECK_EVERY = 256  # lines between looks at the clock
_MANY = 20  # lines of which none matched before the user is told
_MAX_RANKED = 4096
_QUIET_MS = 60_000
_DATA_BYTES = 8 << 20


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
        elif not cursor.passed and self._is_data():
            self._pass_data()
        first = True
        while True:
            chunk = self._chunk()
            if chunk.restarted:
                if not first:  # what was read up to here belongs to what the file was before
                    batch.more = True
                    break
                self._restart()
            first = False
            self._clock = Clock(
                cursor.clock,
                self._zone,
                chunk.mtime_ms,
                self._budget.now_ms,
                self._live,
                self._last_record,
                self._midnights,
            )
            stopped = self._take(chunk)
            batch.time_inferred = batch.time_inferred or self._clock.inferred
            batch.lag_bytes = chunk.lag_bytes
            batch.more = stopped or chunk.more
            if stopped or not chunk.more or self._budget.spent(self._bytes, self._series.points):
                break
        if not batch.more and chunk.torn:
            self._peek(chunk)
            self._give_closed(chunk)
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
        begin = chunk.lines[0].start if chunk.lines else 0
        for index, line in enumerate(chunk.lines):
            if (index or self._bytes) and self._spent(index, line, begin):
                if index:
                    cursor.position = chunk.position_at(index)
                self._count_bytes(line.start - begin)
                return True
            self._mark(line, chunk.position.piece)
            if cursor.closed:
                self._feed_again(line)
            else:
                self._feed(line)
        cursor.position = chunk.position
        self._count_bytes(chunk.read_bytes)
        return False

    def _spent(self, index: int, line: Line, begin: int) -> bool:
        if self._series.points >= self._budget.points:
            return True
        used = self._bytes + line.start - begin
        if used + len(line.text) >= self._budget.bytes:
            return True
        return index % _CHECK_EVERY == 0 and self._budget.spent(used, self._series.points)

    def _count_bytes(self, count: int) -> None:
        self._bytes += count
        self._batch.counts.bytes += count

    def _mark(self, line: Line, piece: str) -> None:
        cursor = self._cursor
        if cursor.passed:
            return  # its number is not known
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
        entry, peeled = entry_of(text, line.complete, self._zone)
        ts_ms = self._clock.stamp(peeled.stamp, container_ms, cursor.lines)
        if not entry.text:
            return
        dialect, records = recognise(entry, cursor)
        gave = False
        if dialect is not None:
            for record in records or ():
                gave = self._add(record, dialect, ts_ms, peeled.rank) or gave
        if gave:
            counts.matched += 1
            cursor.matched += 1
        elif (records and not records[0].values and not records[0].labels) or (
            # Every line of an events.jsonl is meant to be a record; elsewhere prose is no failure.
            records is None
            and (self._input.restarts is Restarts.NEVER or METRIC_LIKE.search(entry.text[:1000]))
        ):
            counts.unparsed += 1
            cursor.unparsed += 1

    def _tell(self, name: str, value: str | int) -> None:
        if self._cursor.told.get(name) != value:
            self._cursor.told[name] = value
            self._batch.facts[name] = value

    def _add(self, record: Record, dialect: Dialect, ts_ms: float | None, rank: int | None) -> bool:
        """Place a record in steps and time; true when it gave (or another rank had given) its points."""
        cursor = self._cursor
        if not record.values and not record.labels:
            return False
        if record.framework or (dialect.framework and "framework" not in cursor.told):
            self._tell("framework", record.framework or dialect.framework or "")
        if record.step is None:
            record.step = self._place(record)
        elif not record.evaluation:
            cursor.last_step = record.step
        values = record.values
        if rank is not None:
            values = [pair for pair in values if self._follows(pair[0], rank, record.step)]
        if not values and not record.labels:
            return True
        if record.ts_ms is not None:
            ts_ms = record.ts_ms
        elif record.printed_time:
            ts_ms = parse_iso(record.printed_time, self._zone) or ts_ms
        if ts_ms is None:
            ts_ms = self._clock.infer(record, cursor.lines)
        row = self._series.next_row()
        units = record.units or {}
        for name, value in values:
            self._series.add(name, record.step, ts_ms, value, unit=units.get(name))
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
        entry, peeled = entry_of(chunk.torn, False, self._zone)
        if entry.text:
            for dialect, record in peek(entry, self._cursor):
                self._add(record, dialect, None, peeled.rank)

    def _give_closed(self, chunk: Chunk) -> None:
        """A last line without newline, in a file that has come to rest, counts when its end shows that it is
        whole: a closed object. The cursor stays before it; it is not given twice."""
        cursor, text = self._cursor, chunk.torn.rstrip()
        quiet = self._budget.now_ms - chunk.mtime_ms > _QUIET_MS
        if not quiet or cursor.closed == len(chunk.torn) or not text.endswith(b"}"):
            return
        self._cursor = copy.deepcopy(cursor)
        self._feed(Line(chunk.position.line, chunk.torn, chunk.position.offset))
        cursor.told = self._cursor.told
        cursor.dialect = cursor.dialect or self._cursor.dialect
        cursor.closed = len(chunk.torn)
        self._cursor = cursor

    def _feed_again(self, line: Line) -> None:
        """The line that was given before its newline came: only its effect on the cursor is still wanted."""
        same = len(line.text) == self._cursor.closed
        self._cursor.closed = 0
        if not same:
            self._feed(line)
            return
        kept = self._series, self._targets, self._batch.counts
        self._series, self._targets, self._batch.counts = SeriesBuilder(), [], Counts()
        self._feed(line)
        self._series, self._targets, self._batch.counts = kept

    def _midnights(self) -> Survey:
        try:
            return survey.midnights(self._input.path)
        except OSError:
            return Survey()

    def _last_record(self) -> Survey:
        try:
            return survey.last_record(
                self._input.path, lambda lines: records_of(lines, self._cursor, self._zone)
            )
        except OSError:
            return Survey()

    def _refuse_binary(self) -> None:
        try:
            head = pieces(self._input.path)[0].read(0, 4096)
        except OSError:
            return  # read_lines meets the same, and says what it is
        if looks_binary(head):
            raise InputDead(f"{self._input.name}: this is a binary file, not a text log")

    def _is_data(self) -> bool:
        """Megabytes without one line that resembles a metric, under a name that data sets have too."""
        cursor = self._cursor
        return (
            cursor.position.offset > _DATA_BYTES
            and not cursor.matched
            and not cursor.unparsed
            and not self._input.path.endswith((".log", ".out"))
        )

    def _pass_data(self) -> None:
        """Go to the end: a text corpus is not read to its last gigabyte, but what is appended still is."""
        cursor = self._cursor
        try:
            cursor.position = replace(tail_position(self._input.path, 0), line=cursor.position.line)
        except OSError:
            return  # read_lines meets the same, and says what it is
        cursor.passed = True

    def _finish(self) -> Batch:
        batch, cursor = self._batch, self._cursor
        batch.series = self._series.build(self._input.prefix)
        if self._targets:
            batch.targets = Points.of(*zip(*self._targets, strict=True))
        batch.dialect = cursor.dialect
        if not cursor.matched and not batch.more and cursor.lines >= _MANY and self._expects_metrics():
            batch.note = f"0 of {cursor.lines} lines matched any dialect"
        if cursor.passed and not cursor.matched:
            batch.note = (
                f"no metrics in the first {_DATA_BYTES >> 20} MiB: taken for data, only its end is read"
            )
        batch.cursor = cursor.encode()
        return batch

    def _expects_metrics(self) -> bool:
        """Prose and data files (`notes.txt`) are no news, nor are records that hold no numbers; logs are."""
        if self._input.restarts is Restarts.NEVER:
            return self._cursor.unparsed > 0
        return self._cursor.unparsed > 0 or not self._input.path.endswith((".txt", ".csv"))
