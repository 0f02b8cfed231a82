"""Finds text logs that must be read anew, because they count from 1 what others of their run count from 0."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from lensd.ingest.tracked import Tracked, size
from lensd.store import Store

log = logging.getLogger(__name__)

#: A log that has been compared so often in vain is left as it is.
_MOST_COMPARISONS = 100


class Alignment:
    """Compares the logs of workloads that have new points."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards what follows
        self._changed: set[str] = set()  # workloads

    def note(self, workload: str) -> None:
        """A workload has new points."""
        with self._lock:
            self._changed.add(workload)

    def look_at(self, inputs: Iterable[Tracked]) -> bool:
        """Forget what is stored of misaligned inputs, and have them read anew. Returns whether there are any.
        Raises StoreError."""
        with self._lock:
            changed, self._changed = self._changed, set()
        is_misaligned = False
        for tracked in inputs if changed else ():
            input, reading = tracked.input, tracked.reading
            if input.workload not in changed or input.data_source != "log" or input.structured:
                continue
            if tracked.schedule.busy or reading.more:
                self.note(input.workload)
            elif tracked.comparisons < _MOST_COMPARISONS:
                tracked.comparisons += 1
                from_one = self._store.align(input, size(input.path))
                if from_one is not None:
                    tracked.comparisons = _MOST_COMPARISONS
                if from_one:
                    log.info("%s is read anew: it counts from 1 what others count from 0", input.name)
                    tracked.read_anew()
                    is_misaligned = True
        return is_misaligned
