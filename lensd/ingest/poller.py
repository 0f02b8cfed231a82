"""Reads all inputs, again and again. Owns time, threads, budgets, backoff and fairness.

It polls because shared volumes and NFS send no notifications of changes. Polling an idle input costs one
`stat` per file, and the interval grows from `fastest_seconds` to `slowest_seconds` while nothing changes. A
failing input or adapter affects no other: the failure becomes the input's health.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from lensd.adapter import Adapter, Arranges, Budget, ReadError, RetryAfter
from lensd.config import Polling
from lensd.discovery import Roots
from lensd.ingest.alignment import Alignment
from lensd.ingest.tracked import (
    ReadProgress,
    ReadState,
    Schedule,
    Signature,
    Tracked,
    is_abandoned,
    poll_changed,
    signature,
    size,
    state_after,
)
from lensd.ingest.unread import unread_lines
from lensd.ingest.writers import Writers
from lensd.model import Batch, Input
from lensd.query.results import UnreadLines
from lensd.store import Store, StoreError

log = logging.getLogger(__name__)

#: The share of one core that walking the folders may take: the longer a walk takes, the later the next one.
_SCAN_SHARE = 0.003


@dataclass(slots=True)
class AdapterSource:
    """An adapter and the paths where it looks for inputs. workload: put all of them into this one. chosen:
    the user named the adapter for these paths."""

    adapter: Adapter
    paths: Sequence[str]
    workload: str | None = None
    chosen: bool = False


class Poller:
    """Drives adapters over their inputs into a store.

    `scan`, `poll` and `drain` work on the calling thread. `start` scans and polls on threads of its own until
    `stop`. clock: monotonic seconds. wall: seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[AdapterSource],
        *,
        polling: Polling | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.problems: dict[str, str] = {}  # path -> sentence, of the last scan
        self._polling = polling or Polling()
        self._store = store
        self._sources = list(sources)
        self._clock = clock
        self._wall = wall
        self._next_scan = 0.0
        self._has_scanned = False
        self._writers = Writers(clock, lambda: {os.path.basename(t.input.path) for t in self.tracked()})
        self._alignment = Alignment(store)
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # guards what follows
        self._tracked: dict[str, Tracked] = {}
        self._followers: dict[str, int] = {}  # path -> how many follow it
        self._points = 0
        self._bytes = 0

    def ready(self) -> str | None:
        """Why the daemon is not ready yet, or None."""
        return None if self._has_scanned else "the folders have not been scanned yet"

    def tracked(self) -> list[Tracked]:
        """Every input found so far."""
        with self._lock:
            return list(self._tracked.values())

    def unstored(self) -> dict[str, int]:
        """The inputs whose last points could not be stored, and how many bytes of each are not."""
        return {t.input.id: t.unread_bytes() for t in self.tracked() if t.health.unstored}

    def follow(self, path: str) -> Callable[[], None]:
        """Poll the input at `path` at the fastest rate until the returned function is called."""
        with self._lock:
            self._followers[path] = self._followers.get(path, 0) + 1
        self._wake.set()

        def release() -> None:
            with self._lock:
                self._followers[path] -= 1
                if not self._followers[path]:
                    del self._followers[path]

        return release

    def unread(self, input_id: str, most: int) -> list[UnreadLines] | None:
        """Lines of an input that look like metrics and were not read; None where its adapter cannot tell."""
        with self._lock:
            tracked = self._tracked.get(input_id)
        return unread_lines(tracked, most, self._wall() * 1000.0) if tracked else None

    def progress(self) -> ReadProgress:
        with self._lock:
            left = sum(t.reading.lag_bytes for t in self._tracked.values() if t.health.state != "dead")
            return ReadProgress(len(self._tracked), self._points, self._bytes, left)

    # One round

    def scan(self) -> int:
        """Look for inputs. Returns how many are new. An input whose file has vanished stays tracked."""
        began = self._clock()
        inputs, problems, walks = self._discover()
        for path, sentence in problems.items():
            if self.problems.get(path) != sentence:
                log.warning("%s", sentence)
        self.problems = problems
        with self._lock:
            poll_changed(self._tracked.values(), walks)
            new = [
                pair
                for key, pair in sorted(inputs.items())
                if key not in self._tracked
                or self._tracked[key].is_elsewhere(pair[0])
                or any(part in self._tracked for part in pair[0].contains)
            ]
        if new:
            registered = self._store.register([input for input, _ in new])
            for input, (discovered, adapter) in zip(registered, new, strict=True):
                tracked = self._tracked.get(input.id)
                if tracked is None or tracked.is_elsewhere(discovered):
                    self._track(input, adapter, discovered)
                with self._lock:
                    for part in input.contains:
                        self._tracked.pop(part, None)
        self._alignment.look_at(self.tracked())
        self._has_scanned = True
        cost = self._clock() - began
        self._next_scan = self._clock() + max(self._polling.rescan_seconds, cost / _SCAN_SHARE)
        return len(new)

    def _discover(self) -> tuple[dict[str, tuple[Input, Adapter]], dict[str, str], Sequence[Roots]]:
        """The inputs of all sources by id, the first source that finds one keeps it; what went wrong; and the
        walks."""
        inputs: dict[str, tuple[Input, Adapter]] = {}
        problems: dict[str, str] = {}
        # Sources with the same roots share a walk.
        walks: dict[tuple[tuple[str, ...], str | None, bool], Roots] = {}
        for source in self._sources:
            key = (tuple(source.paths), source.workload, source.chosen)
            roots = walks.setdefault(key, Roots(*key))
            if isinstance(source.adapter, Arranges):
                try:
                    source.adapter.arrange(roots)
                except Exception as error:
                    log.exception("adapter %s failed to arrange run folders", source.adapter.name)
                    problems[source.adapter.name] = f"adapter {source.adapter.name}: {error}"
        for source in self._sources:
            key = (tuple(source.paths), source.workload, source.chosen)
            roots = walks[key]
            try:
                for input in source.adapter.discover(roots):
                    inputs.setdefault(input.id, (input, source.adapter))
            except Exception as error:
                log.exception("adapter %s failed to look for inputs", source.adapter.name)
                problems[source.adapter.name] = f"adapter {source.adapter.name}: {error}"
            problems.update(roots.problems)
        return inputs, problems, list(walks.values())

    def _track(self, input: Input, adapter: Adapter, discovered: Input) -> None:
        schedule = Schedule(interval=self._polling.fastest_seconds)
        tracked = Tracked(input, adapter, discovered, schedule, ReadState(lag_bytes=size(input.path)))
        with self._lock:
            self._tracked[input.id] = tracked
        # Whoever asks for the first scan prints a summary of it.
        level = logging.INFO if self._has_scanned else logging.DEBUG
        log.log(level, "found %s: workload %s (%s)", input.name, input.workload, input.why)

    def poll(self) -> int:
        """Poll each input that is due once. Returns how many had something new."""
        return sum(self._visit(tracked) for tracked in self._due())

    def drain(
        self,
        seconds: float = float("inf"),
        progress: Callable[[ReadProgress], None] | None = None,
        *,
        final: bool = False,
    ) -> bool:
        """Scan, and read every input to its end. Returns False if time runs out first.

        final: nothing more will be written to the inputs.
        """
        deadline = self._clock() + seconds
        self.scan()
        for tracked in self.tracked():
            tracked.schedule.due, tracked.reading.more = 0.0, True
            if not tracked.can_be_read and signature(tracked.input) != tracked.reading.signature:
                tracked.health.state = "new"
        while True:
            if self._clock() > deadline or self._stopping:
                return False
            pending = [t for t in self._by_due(self.tracked()) if t.reading.more and t.can_be_read]
            if not pending and not self._alignment.look_at(self.tracked()):
                return True
            for tracked in pending:
                self._visit(tracked, force=True, final=final)
                if tracked.health.failures:
                    tracked.reading.more = False
                if progress:
                    progress(self.progress())

    # The threads

    def start(self) -> None:
        """Scan and poll on threads of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="lensd-poller", daemon=True)
        self._thread.start()

    def stop(self, *, drain_seconds: float = 0.0, final: bool = False) -> None:
        """End the threads once the current reads are done, then read what is left for at most
        `drain_seconds`. final: see `drain`."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if drain_seconds > 0:
            self._stopping = False
            try:
                self.drain(drain_seconds, final=final)
            except StoreError as error:
                log.error("%s", error)
        for source in self._sources:
            source.adapter.close()

    def _run(self) -> None:
        threads = self._polling.threads
        with ThreadPoolExecutor(threads, "lensd-read") as pool:
            running: set[Future[int]] = set()
            while not self._stopping:
                self._wake.clear()
                try:
                    if self._clock() >= self._next_scan:
                        self.scan()
                except StoreError as error:
                    log.error("%s", error)
                    self._next_scan = self._clock() + self._polling.slowest_seconds
                running = {future for future in running if not future.done()}
                for tracked in self._due():
                    if len(running) >= threads:
                        break
                    tracked.schedule.busy = True
                    running.add(pool.submit(self._visit_and_wake, tracked))
                all_busy = len(running) >= threads
                self._wake.wait(self._polling.slowest_seconds if all_busy else self._until_due())

    def _visit_and_wake(self, tracked: Tracked) -> int:
        try:
            return self._visit(tracked)
        finally:
            tracked.schedule.busy = False
            self._wake.set()

    def _until_due(self) -> float:
        """Seconds until the next scan or poll is due."""
        due = [tracked.schedule.due for tracked in self.tracked() if not tracked.schedule.busy]
        return max(0.005, min([self._next_scan, *due]) - self._clock())

    def _due(self) -> list[Tracked]:
        """The inputs to poll now."""
        now = self._clock()
        return self._by_due([tracked for tracked in self.tracked() if tracked.schedule.due <= now])

    @staticmethod
    def _by_due(inputs: Sequence[Tracked]) -> list[Tracked]:
        """Those that no thread polls, the longest due first, so that a large input does not starve others."""
        return sorted((t for t in inputs if not t.schedule.busy), key=lambda t: t.schedule.due)

    # One input

    def _visit(self, tracked: Tracked, *, force: bool = False, final: bool = False) -> int:
        """Poll one input: `stat` it, and read it if it changed or has more. Returns 1 if something was new.

        force: read it in any case.
        """
        input, reading, health = tracked.input, tracked.reading, tracked.health
        was_over = tracked.written.is_over
        is_over = self._writers.have_ended(input.path, tracked.written)  # and did not write after that
        current = signature(input)
        if not force and reading.is_idle(current) and is_over == was_over:
            self._schedule(tracked, moved=False)
            return 0
        is_complete = is_over and not reading.more and current == reading.signature
        try:
            batch = self._read(tracked, current, final or is_complete)
        except ReadError as error:
            self._note_failure(tracked, error, current)
            return 0
        except StoreError as error:
            self._note_unstored(tracked, error)
            return 0
        except Exception as error:
            log.exception("%s: adapter %s failed", input.name, tracked.adapter.name)
            failure = RetryAfter(f"the adapter failed: {type(error).__name__}: {error}")
            self._note_failure(tracked, failure, current)
            return 0
        if health.failures or health.state in ("gone", "dead", "waiting"):
            log.info("%s: readable again", input.name)
        health.state, health.failures, health.unstored = "ok", 0, None
        reading.signature, reading.more, reading.waits = current, batch.more, batch.waits
        moved = batch.counts.bytes > 0 or batch.point_count > 0
        self._schedule(tracked, moved=moved)
        return int(moved)

    def _read(self, tracked: Tracked, current: Signature, final: bool) -> Batch:
        input, reading, polling = tracked.input, tracked.reading, self._polling
        if not reading.cursor_loaded:
            reading.cursor, reading.cursor_loaded = self._store.cursor(input.id), True
        budget = Budget(
            polling.read_bytes,
            polling.read_points,
            polling.read_seconds,
            now_ms=self._wall() * 1000.0,
            final=final,
            clock=self._clock,
        )
        batch = tracked.adapter.read(input, reading.cursor, budget)
        if reading.look_live(batch, current, final=final):
            batch.facts["seen_live"] = reading.seen_live
        if reading.seen_live and batch.counts.bytes and not final:
            self._writers.has_grown(input.path, tracked.written)
        elif is_abandoned(tracked, self.tracked()):
            batch.facts["abandoned_ms"] = budget.now_ms
        if batch.restart:
            log.info("%s: replaced or truncated, reading it from the start", input.name)
        is_new = batch.cursor != reading.cursor or batch.facts or batch.point_count or reading.more
        must_store = is_new or tracked.health.state != "ok"
        stored = self._store.apply(input, batch, at_ms=budget.now_ms) if must_store else 0
        reading.cursor, reading.lag_bytes = batch.cursor, batch.lag_bytes
        if stored:
            self._alignment.note(input, stored)
        with self._lock:
            self._points += stored
            self._bytes += batch.counts.bytes
        return batch

    def _schedule(self, tracked: Tracked, *, moved: bool) -> None:
        """After a poll that did not fail."""
        with self._lock:
            followed = tracked.input.path in self._followers
        tracked.schedule_next(self._polling, self._clock(), self._wall(), soon=moved or followed)

    def _note_failure(self, tracked: Tracked, error: ReadError, current: Signature) -> None:
        input, health = tracked.input, tracked.health
        previous = health.state
        health.failures += 1
        health.state = state_after(error)
        if health.state != previous:
            # Whoever shows the sentence says of which input it is.
            sentence = str(error).removeprefix(input.name).lstrip(": ")
            log.warning("%s: %s", input.name, sentence)
            try:
                self._store.note_failure(input, health.state, sentence, self._wall() * 1000.0)
            except StoreError as failure:
                log.error("%s", failure)
        # A gone or dead input is read again only when its files change.
        tracked.reading.signature, tracked.reading.more = current, health.state == "waiting"
        wait = error.seconds if isinstance(error, RetryAfter) else self._polling.slowest_seconds
        tracked.schedule.back_off(self._clock(), wait * health.patience)

    def _note_unstored(self, tracked: Tracked, error: StoreError) -> None:
        """The cursor stays where it is, so the same data is read again later and nothing is lost."""
        health, tracked.reading.more = tracked.health, True
        health.failures += 1
        logging.getLogger("lensd.unstored").error("%s: not stored: %s", tracked.input.name, error)
        health.unstored = str(error)
        tracked.schedule.back_off(self._clock(), min(0.2 * health.failures, self._polling.slowest_seconds))
