"""From lines to points: one read of one text input.

Owns the order of things: tail, recognise, place, collect, stop in time. Knows no log format. Right from the
cursor alone; the recognition and the block reader that it gets hold nothing but caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.model import Batch, Input, Ints, LineMark, Restarts
from lensd.tail import Line, LineChunk, read_lines, tail_position, with_stream
from lensd_log import beside, files, last_words, lookahead
from lensd_log.binary import looks_binary
from lensd_log.blocks import BlockReader
from lensd_log.clock import Clock, LastRecord, Midnights
from lensd_log.cursor import LogCursor
from lensd_log.diagnosis import DiagnosisBuilder
from lensd_log.line.entry import entry_of
from lensd_log.line.record import Record
from lensd_log.marks import with_steps
from lensd_log.notes import note_of
from lensd_log.placement import ROWS_PER_LINE, Placement
from lensd_log.recognition import Recognition
from lensd_log.structure import waiting
from lensd_log.structure.reader import STRUCTURE

_CHUNK_BYTES = 2 << 20
_LEAST_BLOCK_BYTES = 1 << 16
_POINT_BYTES = 4  # no point is printed in fewer
_MARK_LINES = 512
_MARK_BYTES = 1 << 16
_CHECK_EVERY = 256  # lines between two looks at the clock
_QUIET_MS = 60_000
_BUFFER_BYTES = 4096
_OPEN_MS = 10_000
_ASIDE_MS = 3_600_000
_LAST_LINES = 200
_DATA_BYTES = 8 << 20


class LineReader:
    """Reads one batch of `input` from `cursor`. Made for each read; holds nothing afterwards.

    blocks: reads large blocks faster; without it, all lines are read one by one. every_rank: see `Placement`.
    binary_allowed: do not refuse a file that begins like a binary one. diagnosis: is shown every line, which
    are then read one by one.
    """

    def __init__(
        self,
        input: Input,
        cursor: LogCursor,
        budget: Budget,
        recognition: Recognition,
        blocks: BlockReader | None,
        *,
        every_rank: bool = False,
        binary_allowed: bool = False,
        diagnosis: DiagnosisBuilder | None = None,
    ) -> None:
        self._input, self._cursor, self._budget = input, cursor, budget
        self._recognition = recognition
        self._blocks = blocks if diagnosis is None else None
        self._binary_allowed = binary_allowed
        self._diagnosis = diagnosis
        self._strict = input.restarts is Restarts.NEVER  # every line of events.jsonl is meant to be a record
        self._batch = Batch(cursor=b"")
        self._placement = Placement(cursor, self._batch, recognition.zone, every_rank)
        self._live = cursor.ended
        self._bytes = 0
        self._marked: list[int] = []  # of each mark of the batch: the row of its line
        self._waited = waiting.metric_like(cursor.structure)  # lines that count as unparsed so far

    def read(self) -> Batch:
        """Raises InputGone, InputDead, RetryAfter."""
        batch, cursor = self._batch, self._cursor
        if not cursor.position.segment and not self._binary_allowed:
            self._refuse_binary()
        elif not cursor.passed and self._is_data():
            self._pass_data()
        if not cursor.position.segment:
            files.expect(self._input.path, cursor.states)
        beside.look(self._input.path, cursor)
        first = True
        while True:
            chunk = self._chunk()
            if chunk.restarted:
                if not first:  # the lines of this batch belong to what the file was before
                    batch.more = True
                    break
                batch.restart = True
                cursor.restart()
                files.expect(self._input.path, cursor.states)
                self._waited = 0
            first = False
            beside.look(self._input.path, cursor)
            if chunk.problems is not None:
                problems = [f"{name}: {why}" for name, why in sorted(chunk.problems.items())]
                cursor.unreadable = "not read: " + "; ".join(problems) if problems else ""
            clock = self._placement.clock = self._clock(chunk.mtime_ms)
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
            if not self._input.structured:
                self._listen(chunk)
            lately = self._budget.now_ms - chunk.mtime_ms < _ASIDE_MS
            batch.waits = batch.waits or (chunk.aside and lately and not self._budget.final)
        cursor.ended = not batch.more
        if cursor.ended:
            self._placement.clock.reached_end()
        return self._finish()

    def _is_full(self) -> bool:
        """Is the budget spent, or has a large one too little left for another block?"""
        points, budget = self._placement.series.points, self._budget
        worth_a_block = budget.bytes >= _CHUNK_BYTES and budget.points * _POINT_BYTES >= _CHUNK_BYTES
        small = (
            budget.bytes - self._bytes < _LEAST_BLOCK_BYTES
            or (budget.points - points) * _POINT_BYTES < _CHUNK_BYTES
        )
        return (worth_a_block and small) or budget.spent(self._bytes, points)

    def _chunk(self, split: bool = False) -> LineChunk:
        position = self._cursor.position if self._cursor.position.segment else None
        most = beside.CHUNK_BYTES if self._cursor.beside.get("total") else _CHUNK_BYTES
        left = min(self._budget.bytes - self._bytes, most)
        # The points of a block are counted when it is read: with a small budget, lines are read one by one.
        room = (self._budget.points - self._placement.series.points) * _POINT_BYTES
        as_block = (
            self._blocks is not None
            and not split
            and left >= _LEAST_BLOCK_BYTES
            and room >= left
            and not self._cursor.closed
        )
        with self._errors():
            return read_lines(self._input.path, position, max(1, left), split=not as_block)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the file as those of an adapter."""
        try:
            yield
        except FileNotFoundError:
            raise InputGone(f"{self._input.name}: the file is not there any more") from None
        except PermissionError:
            raise RetryAfter(f"{self._input.name}: not readable by this user", 30.0) from None
        except OSError as error:
            raise RetryAfter(f"{self._input.name}: {error.strerror or error}") from None

    def _clock(self, mtime_ms: float) -> Clock:
        return Clock(
            self._cursor.clock,
            self._recognition.zone,
            mtime_ms,
            self._budget.now_ms,
            self._live,
            self._last_record,
            self._midnights,
        )

    def _take_block(self, chunk: LineChunk) -> bool:
        """Take the lines of a chunk together. True when the budget ended it before its end."""
        assert self._blocks is not None
        cursor, counts, series = self._cursor, self._batch.counts, self._placement.series
        block = self._blocks.read(
            chunk.body,
            self._placement,
            strict=self._strict,
            spent=lambda: self._budget.spent(self._bytes, series.points),
        )
        if block is None:
            return self._take(self._chunk(split=True))
        counts.records += block.taken
        counts.matched += block.matched
        counts.unparsed += block.unparsed
        cursor.matched += block.matched
        cursor.unparsed += block.unparsed
        if not cursor.passed:
            self._mark_block(chunk, block.starts, block.taken)
        stopped = block.taken < len(block.starts)
        offset = int(block.starts[block.taken]) if stopped else len(chunk.body)
        cursor.position = chunk.position_in(offset, block.taken)
        self._count_bytes(offset)
        return stopped

    def _mark_block(self, chunk: LineChunk, starts: Ints, taken: int) -> None:
        cursor, index = self._cursor, 0
        while index < taken:
            start = chunk.start + int(starts[index])
            ordinal = cursor.lines - taken + index + 1
            self._mark(Line(chunk.first + index, b"", start), chunk.position.segment, ordinal)
            by_line = cursor.mark_line + _MARK_LINES - chunk.first
            by_bytes = int(starts.searchsorted(cursor.mark_offset + _MARK_BYTES - chunk.start))
            index = max(index + 1, min(by_line, by_bytes))

    def _take(self, chunk: LineChunk) -> bool:
        """Take the lines of a chunk one by one. True when the budget ended it before its end."""
        cursor = self._cursor
        self._batch.counts.skipped += chunk.skipped_lines
        begin = chunk.lines[0].start if chunk.lines else 0
        for index, line in enumerate(chunk.lines):
            if (index or self._bytes) and self._spent(index, line, begin):
                if index:
                    cursor.position = chunk.position_at(index)
                self._count_bytes(line.start - begin)
                return True
            self._mark(line, chunk.position.segment, cursor.lines + 1)
            self._feed(line, self._placement_of(line))
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

    def _mark(self, line: Line, segment: str, ordinal: int) -> None:
        """Mark a line, if the last mark is far above. ordinal: among the lines that were read, from 1."""
        cursor = self._cursor
        if cursor.passed:
            return  # the line's number is not known
        moved = line.start - cursor.mark_offset
        if (
            cursor.mark_line < 0
            or line.number - cursor.mark_line >= _MARK_LINES
            or not 0 <= moved < _MARK_BYTES
        ):
            self._batch.marks.append(LineMark(line.number, segment, line.start))
            self._marked.append(ordinal * ROWS_PER_LINE)
            cursor.mark_line, cursor.mark_offset = line.number, line.start

    def _placement_of(self, line: Line) -> Placement:
        """Where the points of the next line go: nowhere if they were given before its newline came."""
        closed, self._cursor.closed = self._cursor.closed, 0
        return self._placement.without_points() if closed and closed == len(line.text) else self._placement

    def _feed(self, line: Line, placement: Placement) -> None:
        """Read one line and place what it says, after the lines that the cursor of `placement` has seen."""
        cursor, counts = placement.cursor, placement.batch.counts
        counts.records += 1
        cursor.lines += 1
        parsed_line = self._recognition.read(line.text, line.complete, cursor, strict=self._strict)
        if self._diagnosis is not None:
            self._diagnosis.add_line(line, parsed_line, cursor)
        if parsed_line is None:
            return
        matched = placement.add(parsed_line)
        unparsed = parsed_line.lost + (parsed_line.unparsed and not matched)
        counts.matched += matched
        cursor.matched += matched
        counts.unparsed += unparsed
        cursor.unparsed += unparsed

    def _peek(self, chunk: LineChunk) -> None:
        """Give the open records that the beginning of a line completes."""
        entry, stripped = entry_of(chunk.torn, False, self._recognition.zone)
        if entry.text:
            for log_format, record in self._recognition.peek(entry, self._cursor):
                self._placement.add_record(record, log_format, rank=stripped.rank)

    def _listen(self, chunk: LineChunk) -> None:
        """Report what the log says last where that has changed."""
        lines = b"\n".join([line.text for line in chunk.lines[-_LAST_LINES:]])
        text = (chunk.body or lines)[-last_words.LOOK_BYTES :] + b"\n" + chunk.torn[: last_words.LOOK_BYTES]
        cursor, before = self._cursor, self._cursor.last_words
        words = last_words.last_words(text, before, lambda ls: self._recognition.records_of(ls, cursor))
        if words != before:
            self._batch.facts["last_words"] = cursor.last_words = words

    def _give_closed(self, chunk: LineChunk) -> None:
        """Give a last line without its newline once the file rests or nothing more will be written. The
        cursor stays before the line, and remembers not to give it again."""
        cursor, torn = self._cursor, chunk.torn
        end, is_closed = chunk.position.offset + len(torn), torn.rstrip().endswith(b"}")
        # A full buffer was written, and ends wherever it was full: the rest is still in the program.
        is_cut = end % _BUFFER_BYTES == 0 and not is_closed
        if cursor.closed == len(torn) or (is_cut and not self._budget.final):
            return
        now_ms = self._budget.now_ms
        if not cursor.resting or cursor.resting[0] != end:
            cursor.resting = [end, now_ms]
        # What ends as a closed object does is whole, so that the file's own time is enough.
        since_ms = chunk.mtime_ms if is_closed else cursor.resting[1]
        if now_ms - since_ms <= _QUIET_MS and not self._budget.final:
            self._batch.waits = True
            return
        trial = self._placement.on_copied_cursor()
        self._feed(Line(chunk.position.line, chunk.torn, chunk.position.offset), trial)
        cursor.reported = trial.cursor.reported
        cursor.log_format = cursor.log_format or trial.cursor.log_format
        cursor.closed = len(chunk.torn)

    def _give_open(self, chunk: LineChunk) -> None:
        """Give the records that wait for lines, once a file at rest has brought none for a while."""
        cursor, now_ms = self._cursor, self._budget.now_ms
        if not self._recognition.holds_open(cursor):
            return
        end = cursor.position.offset + len(chunk.torn)
        if not cursor.resting or cursor.resting[0] != end:
            cursor.resting = [end, now_ms]
        # Not by the file's own time: a file server's clock may be minutes off.
        if now_ms - cursor.resting[1] < _OPEN_MS and not self._budget.final:
            self._batch.waits = True
            return
        cursor.resting = []
        for log_format, record in self._recognition.rest(cursor):
            self._placement.series.row += ROWS_PER_LINE
            added = self._placement.add_record(record, log_format)
            if log_format is STRUCTURE:  # the lines of the others have been counted
                self._batch.counts.matched += added
                cursor.matched += added
                if self._diagnosis is not None:
                    self._diagnosis.add_rest(record)

    def _midnights(self) -> Midnights:
        try:
            return lookahead.midnights(self._input.path)
        except OSError:
            return Midnights()

    def _last_record(self, *wanted: str) -> LastRecord:
        def records(lines: list[bytes]) -> Iterator[Record]:
            return self._recognition.records_of(lines, self._cursor, strict=True)  # no others have times

        try:
            return lookahead.last_record(self._input.path, records, wanted)
        except OSError:
            return LastRecord()

    def _refuse_binary(self) -> None:
        try:
            head = with_stream(self._input.path, lambda stream: stream.parts[0].read(0, 4096))
        except OSError:
            return  # `read_lines` will raise the same
        if looks_binary(head):
            raise InputDead(f"{self._input.name}: this is a binary file, not a text log")

    def _is_data(self) -> bool:
        """Are there megabytes without one line that looks like metrics, under a name that data sets have?"""
        cursor = self._cursor
        return (
            cursor.position.offset > _DATA_BYTES
            and not cursor.matched
            and not cursor.unparsed
            and not self._input.path.endswith((".log", ".out"))
        )

    def _pass_data(self) -> None:
        """Skip to the end of a data file, to read only what is appended."""
        cursor = self._cursor
        try:
            cursor.position = replace(tail_position(self._input.path, 0), line=cursor.position.line)
        except OSError:
            return  # `read_lines` will raise the same
        cursor.passed = True

    def _finish(self) -> Batch:
        batch, cursor = self._batch, self._cursor
        self._placement.finish(self._input.prefix)
        batch.marks = with_steps(batch.marks, self._marked, batch.series) if self._marked else batch.marks
        files.name_series(batch.series, self._input)
        del self._placement.clock  # it refers to this reader: a cycle that would keep the points in memory
        batch.log_format = cursor.log_format
        batch.counts.unparsed += waiting.metric_like(cursor.structure) - self._waited
        if not batch.more:
            batch.note = note_of(cursor, self._input.path, self._strict)
        if cursor.passed and not cursor.matched:
            batch.note = (
                f"no metrics in the first {_DATA_BYTES >> 20} MiB: taken for data, only its end is read"
            )
        batch.note = cursor.unreadable or batch.note
        batch.cursor = cursor.encode()
        return batch
