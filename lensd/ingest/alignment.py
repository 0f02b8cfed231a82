"""Finds text logs that must be read anew, because they count from 1 what others of their run count from 0."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from lensd.ingest.tracked import Tracked, size
from lensd.model import Input
from lensd.store import Store

log = logging.getLogger(__name__)

#: A workload is looked at again when its logs, or its other inputs, have so many times the points.
_GROWTH = 1.1


class Alignment:
    """Compares the text logs of workloads with their other inputs, while both grow."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards what follows
        self._changed: set[str] = set()  # workloads
        self._points: dict[tuple[str, bool], int] = {}  # by workload and whether they are of text logs

    def note(self, input: Input, points: int) -> None:
        """So many new points were stored of an input."""
        key = input.workload, _is_text(input)
        with self._lock:
            self._changed.add(input.workload)
            self._points[key] = self._points.get(key, 0) + points

    def look_at(self, inputs: Iterable[Tracked]) -> bool:
        """Forget what is stored of misaligned inputs, and have them read anew. Returns whether there are any.
        Raises StoreError."""
        with self._lock:
            changed, self._changed = self._changed, set()
        is_misaligned = False
        for tracked in inputs if changed else ():
            input, reading = tracked.input, tracked.reading
            if tracked.is_aligned or input.workload not in changed or not _is_text(input):
                continue
            if tracked.schedule.busy or reading.more:
                self.note(input, 0)
                continue
            points = [self._points.get((input.workload, is_text), 0) for is_text in (True, False)]
            if any(now > _GROWTH * before for now, before in zip(points, tracked.compared, strict=True)):
                tracked.compared = points
                from_one = self._store.align(input, size(input.path))
                tracked.is_aligned = from_one is not None
                if from_one:
                    log.info("%s is read anew: it counts from 1 what others count from 0", input.name)
                    tracked.read_anew()
                    is_misaligned = True
        return is_misaligned


def _is_text(input: Input) -> bool:
    return input.data_source == "log" and not input.structured
