"""lensd on a folder, at times that the test chooses."""

from __future__ import annotations

from pathlib import Path

from lensd.adapter import Adapter
from lensd.ingest.poller import AdapterSource, Poller
from lensd.store import Store

NOW_S = 1_800_000_000.0


class Watching:
    """A store and a poller of a folder. `now_s` is the time of both clocks, in seconds since the epoch."""

    def __init__(self, database: Path, root: Path, *adapters: Adapter) -> None:
        self.now_s = NOW_S
        self._root, self._adapters = root, adapters
        self.store = Store.open(database, clock=lambda: self.now_s)
        self.begin()

    def begin(self) -> None:
        """Begin another daemon on the same database."""
        sources = [AdapterSource(adapter, [str(self._root)]) for adapter in self._adapters]
        self.poller = Poller(self.store, sources, clock=lambda: self.now_s, wall=lambda: self.now_s)

    def look(self) -> None:
        """A second later: look for inputs, and poll each once."""
        self.now_s += 1.0
        self.poller.scan()
        for tracked in self.poller.tracked():
            tracked.schedule.due = 0.0
        self.poller.poll()
