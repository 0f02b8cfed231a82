"""Log lines in the database: places in log files, and console output that no file holds."""

from __future__ import annotations

import sqlite3

from lensd.model import LineMark


class StoredLogs:
    """Reads log lines and line marks through one connection. Lines are numbered from 0."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def line_marks(self, input_id: str) -> list[LineMark]:
        """Where lines of an input's log begin, every few hundred lines, in order."""
        sql = (
            "SELECT line, piece, byte_offset, step FROM line_mark JOIN input ON input.id = input_id"
            " WHERE key = ? ORDER BY line"
        )
        return [LineMark(*row) for row in self._db.execute(sql, (input_id,))]

    def console_inputs(self, workload_id: int) -> list[str]:
        """The ids of the inputs whose console output is stored, the one that reported last first."""
        sql = (
            "SELECT key FROM input WHERE workload_id = ?"
            " AND EXISTS (SELECT 1 FROM log_line WHERE input_id = input.id) ORDER BY max_ts DESC"
        )
        return [str(key) for (key,) in self._db.execute(sql, (workload_id,))]

    def console_lines(self, input_id: str, first: int, most: int) -> list[tuple[int, str]]:
        """Up to `most` lines of console output with their numbers, from line `first` on."""
        sql = (
            "SELECT line, text FROM log_line JOIN input ON input.id = input_id"
            " WHERE key = ? AND line >= ? ORDER BY line LIMIT ?"
        )
        return self._db.execute(sql, (input_id, first, most)).fetchall()

    def console_tail(self, input_id: str, lines: int) -> int:
        """The number of the first of the last `lines` lines of console output: 0 where there are fewer, and
        the number of the line to come for 0 lines."""
        sql = (
            "SELECT line FROM log_line JOIN input ON input.id = input_id"
            " WHERE key = ? ORDER BY line DESC LIMIT 1 OFFSET ?"
        )
        row = self._db.execute(sql, (input_id, max(lines - 1, 0))).fetchone()
        if row is None:
            return 0
        return int(row[0]) if lines else int(row[0]) + 1

    def console_page(self, input_id: str, first: int, most: int) -> list[tuple[int, str, float]]:
        """Lines as `console_lines` returns them, with the times when they were printed (UTC ms)."""
        sql = (
            "SELECT line, text, ts_ms FROM log_line JOIN input ON input.id = input_id"
            " WHERE key = ? AND line >= ? ORDER BY line LIMIT ?"
        )
        return self._db.execute(sql, (input_id, first, most)).fetchall()

    def console_line_at(self, input_id: str, ts_ms: float) -> int | None:
        """The number of the last line of console output that was printed by then (UTC ms)."""
        sql = "SELECT max(line) FROM log_line JOIN input ON input.id = input_id WHERE key = ? AND ts_ms <= ?"
        (line,) = self._db.execute(sql, (input_id, ts_ms)).fetchone()
        return None if line is None else int(line)
