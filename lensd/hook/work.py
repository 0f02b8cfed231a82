"""Pieces of work for the sender: what to post, and what becomes of it afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from .channel import Channel
from .delivery import metrics_body, parse_lines
from .spool import encode

DETECTION = "/wandb/detection"
METRICS = "/wandb/metrics"


class Work:
    """One piece. `log_calls` and `detections` are what it counts for, `values` how large it is; `kept` once
    it is on disk, whatever becomes of it here."""

    log_calls = 0
    detections = 0
    values = 0

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.kept = False

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Path and body of each post, in order."""
        raise NotImplementedError

    def lines(self) -> list[bytes]:
        """It as lines for the spool, unless it is from there."""
        return []

    def done(self) -> None:
        """It was taken, or will never be."""

    def put_back(self) -> None:
        """It is to be taken again, in smaller pieces or later."""

    def let_go(self) -> None:
        """No sender works on it any more."""


class Evidence(Work):
    """What a run tells of its framework."""

    detections = 1

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._body, channel.evidence = channel.evidence, None

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        yield DETECTION, encode(self._body or {})

    def lines(self) -> list[bytes]:
        return [encode({"detection": self._body})]

    def put_back(self) -> None:
        self.channel.evidence = self._body


class Rows(Work):
    """Rows from memory."""

    def __init__(self, channel: Channel, most_values: int) -> None:
        super().__init__(channel)
        self._rows: list[tuple[int, float, dict[str, float]]] = []
        while channel.pending and (not self._rows or self.values < most_values):
            row = channel.pending.popleft()
            self._rows.append(row)
            self.values += len(row[2])
        channel.pending_values -= self.values
        self.log_calls = len(self._rows)

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        yield METRICS, metrics_body(self.channel.identity, self._rows, time.time())

    def lines(self) -> list[bytes]:
        return row_lines(self._rows)

    def put_back(self) -> None:
        if not self.kept:
            self.channel.pending.extendleft(reversed(self._rows))
            self.channel.pending_values += self.values


class Spooled(Work):
    """Lines of this process's own spool."""

    def __init__(self, channel: Channel, most_bytes: int) -> None:
        super().__init__(channel)
        lines, self._offset = channel.spool.read(most_bytes)
        channel.spool_taken = True
        self._evidence, self._rows, _ = parse_lines(lines)
        self.log_calls = len(self._rows)
        self.detections = len(self._evidence)
        self.values = sum(len(values) for _, _, values in self._rows)

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        yield from spooled_bodies(self.channel.identity, self._evidence, self._rows)

    def done(self) -> None:
        self.channel.spool.confirm(self._offset)

    def let_go(self) -> None:
        self.channel.spool_taken = False


def row_lines(rows: Iterable[tuple[int, float, dict[str, float]]]) -> list[bytes]:
    return [encode({"step": step, "timestamp": at, "metrics": values}) for step, at, values in rows]


def spooled_bodies(
    identity: dict[str, Any], evidence: list[dict[str, Any]], rows: list[tuple[int, float, dict[str, float]]]
) -> Iterator[tuple[str, bytes]]:
    for body in evidence:
        yield DETECTION, encode(body)
    if rows:
        yield METRICS, metrics_body(identity, rows, time.time())
