"""From lines to points: one read of one text input.

Owns the order of things: tail, recognise, place, collect, stop in time. Knows no format; formats are in
`log formats`. Right from the cursor alone; what it is given besides (recognition, shapes) are caches.
"""

from __future__ import annotations

from dataclasses import replace

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.model import Batch, Counts, Input, LineMark, Restarts
from lensd.tail import LINE_LIMIT, Line, LineChunk, read_lines, segments, tail_position
from lensd_log import survey
from lensd_log.binary import looks_binary
from lensd_log.clock import Clock, Survey
from lensd_log.cursor import LogCursor
from lensd_log.diagnosis import Observer
from lensd_log.fast.grid import Lines
from lensd_log.fast.walk import Shapes, Walk
from lensd_log.placement import ROWS_PER_LINE, Placement
from lensd_log.recognition import Recognition, entry_of

_CHUNK = 2 << 20
_BLOCK = 1 << 16  # bytes; less is not worth while
_POINT_BYTES = 4  # no point is printed in fewer
_MARK_LINES = 512
_MARK_BYTES = 1 << 16
_CHECK_EVERY = 256  # lines between looks at the clock
_MANY = 20  # lines of which none matched before the user is told
_QUIET_MS = 60_000
_OPEN_MS = 10_000
_DATA_BYTES = 8 << 20


class LineReader:
    """Reads one batch of `input` from `cursor`. Made for each read; holds nothing afterwards.

    every_rank: see `Placement`. observer: is shown every line, which are then read one by one. strict: every
    line is meant to be a record (a Runicorn run's events.jsonl).
    """

    def __init__(
        self,
        input: Input,
        cursor: LogCursor,
        budget: Budget,
        recognition: Recognition,
        shapes: Shapes,
        *,
        every_rank: bool = False,
        binary_allowed: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self._input = input
        self._cursor = cursor
        self._budget = budget
        self._recognition = recognition
        self._shapes = shapes
        self._binary_allowed = binary_allowed
        self._observer = observer
        self._strict = input.restarts is Restarts.NEVER
        self._batch = Batch(cursor=b"")
        self._placement = Placement(cursor, self._batch, recognition.zone, every_rank)
        self._live = cursor.ended
        self._bytes = 0

    def read(self) -> Batch:
        """Raises InputGone, InputDead, RetryAfter."""
        batch, cursor = self._batch, self._cursor
        if not cursor.position.segment and not self._binary_allowed:
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
            clock = self._placement.clock = Clock(
                cursor.clock,
                self._recognition.zone,
                chunk.mtime_ms,
                self._budget.now_ms,
                self._live,
                self._last_record,
                self._midnights,
            )
            stopped = self._take_block(chunk) if chunk.body else self._take(chunk)
            batch.time_inferred = batch.time_inferred or clock.inferred
            batch.lag_bytes = chunk.lag_bytes
            batch.more = stopped or chunk.more
            if stopped or not chunk.more or self._is_full():
                break
        if not batch.more and chunk.torn:
            self._peek(chunk)
            self._give_closed(chunk)
        if not batch.more:
            self._give_open(chunk)
        cursor.ended = not batch.more
        return self._finish()

    def _is_full(self) -> bool:
        """The budget is spent, or what is left of a large one is better begun anew."""
        points, budget = self._placement.series.points, self._budget
        worth_a_block = budget.bytes >= _CHUNK and budget.points * _POINT_BYTES >= _CHUNK
        small = budget.bytes - self._bytes < _BLOCK or (budget.points - points) * _POINT_BYTES < _CHUNK
        return (worth_a_block and small) or budget.spent(self._bytes, points)

    def _chunk(self, split: bool = False) -> LineChunk:
        position = self._cursor.position if self._cursor.position.segment else None
        left = min(self._budget.bytes - self._bytes, _CHUNK)
        # The points of a block are counted afterwards, so with a small budget lines are read one by one.
        room = (self._budget.points - self._placement.series.points) * _POINT_BYTES
        whole = left >= _BLOCK and room >= left and not self._cursor.closed and self._observer is None
        try:
            return read_lines(self._input.path, position, max(1, left), split=split or not whole)
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
        fresh = LogCursor(position=cursor.position, mark_line=cursor.mark_line, told=cursor.told)
        fresh.lines, fresh.matched, fresh.unparsed = cursor.lines, cursor.matched, cursor.unparsed
        fresh.ended = cursor.ended
        for name in fresh.__slots__:
            setattr(cursor, name, getattr(fresh, name))

    def _take_block(self, chunk: LineChunk) -> bool:
        """Take the lines of a chunk in one piece; true when the budget ended it before its end."""
        cursor, counts = self._cursor, self._batch.counts
        block = Lines(chunk.body)
        if int((block.last - block.first).max()) > LINE_LIMIT:
            return self._take(self._chunk(split=True))
        series = self._placement.series
        row = series.row + ROWS_PER_LINE
        series.row = row + len(block) * ROWS_PER_LINE
        walk = Walk(block, self._shapes, self._recognition, self._placement, cursor, self._strict, row)
        taken = walk.take(lambda: self._budget.spent(self._bytes, series.points))
        series.row = row + len(block) * ROWS_PER_LINE
        counts.records += taken
        counts.matched += walk.matched
        counts.unparsed += walk.unparsed
        cursor.matched += walk.matched
        cursor.unparsed += walk.unparsed
        if not cursor.passed:
            self._mark_block(chunk, block, taken)
        stopped = taken < len(block)
        offset = int(block.first[taken]) if stopped else len(chunk.body)
        cursor.position = chunk.position_in(offset, taken)
        self._count_bytes(offset)
        return stopped

    def _mark_block(self, chunk: LineChunk, block: Lines, taken: int) -> None:
        cursor, at = self._cursor, 0
        while at < taken:
            start = chunk.start + int(block.first[at])
            self._mark(Line(chunk.first + at, b"", start), chunk.position.segment)
            by_line = cursor.mark_line + _MARK_LINES - chunk.first
            by_bytes = int(block.first.searchsorted(cursor.mark_offset + _MARK_BYTES - chunk.start))
            at = max(at + 1, min(by_line, by_bytes))

    def _take(self, chunk: LineChunk) -> bool:
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
            self._mark(line, chunk.position.segment)
            if cursor.closed:
                self._feed_again(line)
            else:
                self._feed(line)
        cursor.position = chunk.position
        self._count_bytes(chunk.read_bytes)
        return False

    def _spent(self, index: int, line: Line, begin: int) -> bool:
        points = self._placement.series.points
        if points >= self._budget.points:
            return True
        used = self._bytes + line.start - begin
        if used + len(line.text) >= self._budget.bytes:
            return True
        return index % _CHECK_EVERY == 0 and self._budget.spent(used, points)

    def _count_bytes(self, count: int) -> None:
        self._bytes += count
        self._batch.counts.bytes += count

    def _mark(self, line: Line, segment: str) -> None:
        cursor = self._cursor
        if cursor.passed:
            return  # its number is not known
        moved = line.start - cursor.mark_offset
        if (
            cursor.mark_line < 0
            or line.number - cursor.mark_line >= _MARK_LINES
            or not 0 <= moved < _MARK_BYTES
        ):
            self._batch.marks.append(LineMark(line.number, segment, line.start))
            cursor.mark_line, cursor.mark_offset = line.number, line.start

    def _feed(self, line: Line) -> None:
        cursor, counts = self._cursor, self._batch.counts
        counts.records += 1
        cursor.lines += 1
        parsed_line = self._recognition.read(line.text, line.complete, cursor, strict=self._strict)
        if self._observer is not None:
            self._observer.line(line, parsed_line)
        if parsed_line is None:
            return
        series = self._placement.series
        series.row = max(series.row, cursor.lines * ROWS_PER_LINE)
        ts_ms = self._placement.clock.stamp(parsed_line.stamp, parsed_line.container_ms, cursor.lines)
        if self._placement.add(parsed_line, ts_ms):
            counts.matched += 1
            cursor.matched += 1
        elif parsed_line.unparsed:
            counts.unparsed += 1
            cursor.unparsed += 1

    def _peek(self, chunk: LineChunk) -> None:
        entry, stripped = entry_of(chunk.torn, False, self._recognition.zone)
        if entry.text:
            for log_format, record in self._recognition.peek(entry, self._cursor):
                self._placement.add_record(record, log_format, None, stripped.rank)

    def _give_closed(self, chunk: LineChunk) -> None:
        """A last line without newline, in a file that has come to rest, counts when its end shows that it is
        whole: a closed object. The cursor stays before it; it is not given twice."""
        cursor, text = self._cursor, chunk.torn.rstrip()
        quiet = self._budget.now_ms - chunk.mtime_ms > _QUIET_MS
        if not quiet or cursor.closed == len(chunk.torn) or not text.endswith(b"}"):
            return
        with self._placement.trial() as trial:
            self._cursor = trial
            self._feed(Line(chunk.position.line, chunk.torn, chunk.position.offset))
        self._cursor = cursor
        cursor.told = trial.told
        cursor.log_format = cursor.log_format or trial.log_format
        cursor.closed = len(chunk.torn)

    def _give_open(self, chunk: LineChunk) -> None:
        """What waits for lines that a file which has come to rest will not bring."""
        cursor, now_ms = self._cursor, self._budget.now_ms
        if not self._recognition.holds_open(cursor):
            return
        end = cursor.position.offset + len(chunk.torn)
        if not cursor.resting or cursor.resting[0] != end:
            cursor.resting = [end, now_ms]
        # The file's own time is of no use: that of a file server may be minutes off.
        if now_ms - cursor.resting[1] < _OPEN_MS and not self._budget.final:
            self._batch.waits = True
            return
        cursor.resting = []
        for log_format, record in self._recognition.rest(self._cursor):
            self._placement.series.row += ROWS_PER_LINE
            self._placement.add_record(record, log_format, None, None)

    def _feed_again(self, line: Line) -> None:
        """The line that was given before its newline came: only its effect on the cursor is still wanted."""
        same = len(line.text) == self._cursor.closed
        self._cursor.closed = 0
        if not same:
            self._feed(line)
            return
        kept = self._batch.counts
        self._batch.counts = Counts()
        with self._placement.aside():
            self._feed(line)
        self._batch.counts = kept

    def _midnights(self) -> Survey:
        try:
            return survey.midnights(self._input.path)
        except OSError:
            return Survey()

    def _last_record(self) -> Survey:
        try:
            return survey.last_record(
                self._input.path, lambda lines: self._recognition.records_of(lines, self._cursor)
            )
        except OSError:
            return Survey()

    def _refuse_binary(self) -> None:
        try:
            head = segments(self._input.path)[0].read(0, 4096)
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
        batch.series = self._placement.series.build(self._input.prefix)
        batch.targets = self._placement.all_targets()
        del self._placement.clock  # it asks this reader for surveys: a circle that would hold the points
        batch.log_format = cursor.log_format
        if not cursor.matched and not batch.more and cursor.lines >= _MANY and self._expects_metrics():
            batch.note = f"0 of {cursor.lines} lines matched any log format"
        if cursor.passed and not cursor.matched:
            batch.note = (
                f"no metrics in the first {_DATA_BYTES >> 20} MiB: taken for data, only its end is read"
            )
        batch.cursor = cursor.encode()
        return batch

    def _expects_metrics(self) -> bool:
        """Prose and data files (`notes.txt`) are no news, nor are records that hold no numbers; logs are."""
        if self._strict:
            return self._cursor.unparsed > 0
        return self._cursor.unparsed > 0 or not self._input.path.endswith((".txt", ".csv"))
