"""Tasks for the sender: what to post, and what happens to it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .bodies import posts
from .channel import Channel
from .spool_format import Row, count_values, decode_lines, detection_line, row_lines


class Task:
    """Something of one channel to send. Taking it removes it from the channel, or reserves it there.

    log_calls, detections and values: how many of each it holds. spooled: it is on disk by now, so that
    nothing is lost if sending fails.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.spooled = False
        self.detections: list[dict[str, Any]] = []
        self.rows: list[Row] = []

    @property
    def log_calls(self) -> int:
        return len(self.rows)

    @property
    def values(self) -> int:
        return count_values(self.rows)

    def posts(self) -> Iterator[tuple[str, bytes]]:
        """Path and body of each post, in order."""
        return posts(self.channel.identity, self.detections, self.rows)

    def spool_lines(self) -> list[bytes]:
        """The task as lines for the spool; none for what is there already."""
        return [*map(detection_line, self.detections), *row_lines(self.rows)]

    def complete(self) -> None:
        """The server accepted it, or never will."""

    def put_back(self) -> None:
        """Give it back to the channel, to be sent later or in smaller parts."""

    def release(self) -> None:
        """The sender has stopped working on it, whatever the outcome."""


class DetectionTask(Task):
    """What a run reports about its framework."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        assert channel.detection is not None
        self.detections.append(channel.detection)
        channel.detection = None

    def put_back(self) -> None:
        if self.channel.detection is None:  # else there is a newer one
            (self.channel.detection,) = self.detections


class RowsTask(Task):
    """Rows from memory, about `most_values` values of them."""

    def __init__(self, channel: Channel, most_values: int) -> None:
        super().__init__(channel)
        values = 0
        while channel.pending and (not self.rows or values < most_values):
            row = channel.pending.popleft()
            self.rows.append(row)
            values += len(row.values)
        channel.pending_values -= values

    def put_back(self) -> None:
        if not self.spooled:
            self.channel.pending.extendleft(reversed(self.rows))
            self.channel.pending_values += self.values


class SpoolTask(Task):
    """Lines of this process's own spool."""

    def __init__(self, channel: Channel, most_bytes: int) -> None:
        super().__init__(channel)
        lines, self._offset = channel.spool.read(most_bytes)
        channel.spool_in_use = True
        self.detections, self.rows = decode_lines(lines)

    def spool_lines(self) -> list[bytes]:
        return []

    def complete(self) -> None:
        self.channel.spool.confirm(self._offset)

    def release(self) -> None:
        self.channel.spool_in_use = False


def next_task(channel: Channel, most_values: int, most_bytes: int) -> Task | None:
    """Take the next task from a channel: its detection, then rows in memory, then rows in the spool."""
    if channel.detection is not None:
        return DetectionTask(channel)
    if channel.pending:
        return RowsTask(channel, most_values)
    if not channel.spool.empty and not channel.spool_in_use:
        return SpoolTask(channel, most_bytes)
    return None
