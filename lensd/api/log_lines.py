"""The lines that a log stream sends: those of the log's file as it grows, or those in the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from functools import partial

from aiohttp import web

from lensd.api.log_options import LogOptions
from lensd.api.state import HEALTH, WALL, ask, in_thread
from lensd.query.logs import LogSource, log_source
from lensd.store import Reader
from lensd.tail import (
    LineChunk,
    Position,
    final_state,
    is_progress_bar,
    position_of_line,
    read_lines,
    strip_ansi,
    tail_position,
)

#: Seconds between two looks at a file that is followed.
POLL_S = 0.2
_DATABASE_PERIODS = 5  # the database is polled this many times less often than a file
_READ_BYTES = 256 << 10
_STORED_LINES = 1000  # read from the database at once
_SETTLED_MS = 5000.0  # an unfinished last line this old is not going to be finished

#: What changes when a file is written to or replaced: size, mtime and inode.
FileState = tuple[int, ...]


class LogLines:
    """Lines of one run, for one client. Reads on the threads of the API."""

    def __init__(self, request: web.Request, run_id: str, options: LogOptions) -> None:
        self._request = request
        self._run_id = run_id
        self._options = options

    async def batches(self, source: LogSource) -> AsyncGenerator[list[str], None]:
        """The lines to show, in order; endless if the client follows, even while there is no log yet."""
        log = await self._appeared(source)
        if log is None:
            return
        batches = self._of_file(log.path, log) if log.path is not None else self._of_database(log)
        async for batch in batches:
            yield batch

    async def _appeared(self, source: LogSource) -> LogSource | None:
        """The log once there is one; None if the client does not wait for it, or the run is gone."""
        log: LogSource | None = source
        while log is not None and log.path is None and not log.stored:
            if not self._options.follow:
                return None
            await asyncio.sleep(_DATABASE_PERIODS * POLL_S)
            log = await ask(
                self._request, lambda reader: log_source(reader, self._run_id, self._options.input)
            )
        return log

    async def _of_file(self, path: str, log: LogSource) -> AsyncIterator[list[str]]:
        health = self._request.app[HEALTH]
        release: Callable[[], None] = lambda: None  # noqa: E731
        if health and self._options.follow:
            release = health.follow(path)
        try:
            position = await in_thread(self._request, partial(_start, path, log, self._options))
            async for batch in self._from_position(path, position):
                yield batch
        finally:
            release()

    async def _from_position(self, path: str, position: Position | None) -> AsyncIterator[list[str]]:
        last_state = FileState()
        while True:
            state = await in_thread(self._request, partial(_state, path))
            chunk: LineChunk | None = None
            if state != last_state:
                chunk, texts = await in_thread(self._request, partial(self._read, path, position))
                yield texts
            if chunk is not None:
                position = chunk.position
                if chunk.more:
                    continue
                last_state = state
            if not self._options.follow:
                if chunk is not None:
                    yield self._unfinished_line(chunk)
                return
            if chunk is None:
                await asyncio.sleep(POLL_S)

    def _read(self, path: str, position: Position | None) -> tuple[LineChunk | None, list[str]]:
        try:
            chunk = read_lines(path, position, _READ_BYTES)
        except OSError:  # between two rotations, or gone: the stream goes on if the file comes back
            return None, []
        return chunk, self._shown(line.text for line in chunk.lines)

    def _unfinished_line(self, chunk: LineChunk) -> list[str]:
        """The last line, without a newline, of a writer that seems to have died."""
        now_ms = self._request.app[WALL]() * 1000.0
        return self._shown([chunk.torn] if chunk.torn and now_ms - chunk.mtime_ms > _SETTLED_MS else [])

    async def _of_database(self, log: LogSource) -> AsyncIterator[list[str]]:
        """Console output that no file holds."""
        input_id = log.input_id
        if input_id is None:
            return
        number = await ask(self._request, partial(self._first_stored, input_id))
        while True:
            lines = await ask(self._request, partial(_stored_lines, input_id, number))
            yield self._shown(text.encode() for _, text in lines)
            if lines:
                number = lines[-1][0] + 1
            if len(lines) < _STORED_LINES:
                if not self._options.follow:
                    return
                await asyncio.sleep(_DATABASE_PERIODS * POLL_S)

    def _first_stored(self, input_id: str, reader: Reader) -> int:
        """The number of the first line to send, counted from 0."""
        if self._options.after is not None:
            return self._options.after
        return 0 if self._options.tail is None else reader.console_tail(input_id, self._options.tail)

    def _shown(self, lines: Iterable[bytes]) -> list[str]:
        """Lines as the client wants them: redrawn ones in their final state, without hidden progress bars."""
        texts = []
        for line in lines:
            if self._options.show_progress_bars or not is_progress_bar(line):
                text = final_state(line)
                text = text if self._options.keep_colours else strip_ansi(text)
                texts.append(text.decode("utf-8", "replace"))
        return texts


def _stored_lines(input_id: str, number: int, reader: Reader) -> list[tuple[int, str]]:
    return reader.console_lines(input_id, number, _STORED_LINES)


def _start(path: str, log: LogSource, options: LogOptions) -> Position | None:
    """Where to start reading; None is the beginning of the oldest segment."""
    try:
        if options.after is not None:
            # Clients count lines from 1 and positions from 0: the line after N is at N.
            position = position_of_line(path, options.after, log.marks)
            return position if position is not None else tail_position(path, 0)
        return None if options.tail is None else tail_position(path, options.tail)
    except OSError:
        return None


def _state(path: str) -> FileState:
    try:
        status = os.stat(path)
    except OSError:
        return (0,)
    return (status.st_size, status.st_mtime_ns, status.st_ino)
