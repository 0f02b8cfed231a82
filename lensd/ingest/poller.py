"""Reads all inputs, for ever: the one place that knows about time, threads, budgets, backoff and fairness.

It polls, on purpose: shared volumes and NFS tell nobody of changes. An input at rest costs one `stat` a poll,
and the poll interval grows from `fastest` to `slowest` while nothing moves. What one input or adapter does
wrong is kept as its health and harms no other.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from lensd.adapter import Adapter, Budget, InputDead, InputGone, ReadError, RetryAfter
from lensd.config import Polling
from lensd.discovery import Roots
from lensd.model import Batch, Input
from lensd.store import Store, StoreError

log = logging.getLogger(__name__)

Signature = tuple[tuple[int, ...], ...]


#: The longest wait between two attempts at an input that keeps failing.
_LONGEST_WAIT_S = 300.0
#: The share of one core that walking the folders may take: after a slow walk the next one waits longer.
_SCAN_SHARE = 0.003


@dataclass(slots=True)
class Tracked:
    """One input and when it is read next. Times are of the monotonic clock."""

    input: Input
    adapter: Adapter
    due: float = 0.0
    interval: float = 0.2
    signature: Signature | None = None
    cursor: bytes | None = None
    loaded: bool = False  # the cursor was asked of the store
    more: bool = True
    waits: bool = False
    failures: int = 0
    unstored: str | None = None  # why the last batch could not be stored
    state: str = "new"
    busy: bool = False
    lag_bytes: int = 0
    polls: int = 0
    reads: int = 0


@dataclass(slots=True)
class AdapterSource:
    """Where one adapter looks: its roots, and the paths that only `[[source]]` blocks may claim."""

    adapter: Adapter
    paths: Sequence[str]
    workload: str | None = None


@dataclass(slots=True)
class ReadProgress:
    """How far reading everything to its end is; bytes of all inputs together."""

    inputs: int = 0
    points: int = 0
    done_bytes: int = 0
    left_bytes: int = 0


class Poller:
    """Drives adapters over their inputs into a store.

    `scan` and `poll` do one round each on the calling thread, which is how tests and `drain` use it; `start`
    does rounds on a thread of its own until `stop`.
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
        self._polling = polling or Polling()
        self.problems: dict[str, str] = {}  # path -> sentence, of the last scan
        self._store = store
        self._sources = list(sources)
        self._clock = clock
        self._wall = wall
        self._tracked: dict[str, Tracked] = {}
        self._followed: dict[str, int] = {}
        self._next_scan = 0.0
        self._scanned = False
        self._points = 0
        self._bytes = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    # What others may ask

    @property
    def scanned(self) -> bool:
        """Whether the folders were looked at once and every input found then was read at least once."""
        return self._scanned and all(t.reads or t.failures or t.state == "dead" for t in self.tracked())

    def ready(self) -> str | None:
        """Why the daemon is not ready yet, or None."""
        return None if self._scanned else "the folders have not been looked at yet"

    def tracked(self) -> list[Tracked]:
        with self._lock:
            return list(self._tracked.values())

    def follow(self, path: str) -> Callable[[], None]:
        """Read the input at `path` at the fastest pace until the returned function is called."""
        with self._lock:
            self._followed[path] = self._followed.get(path, 0) + 1
        self._wake.set()

        def release() -> None:
            with self._lock:
                self._followed[path] -= 1
                if not self._followed[path]:
                    del self._followed[path]

        return release

    def progress(self) -> ReadProgress:
        tracked = self.tracked()
        return ReadProgress(
            len(tracked), self._points, self._bytes, sum(t.lag_bytes for t in tracked if t.state != "dead")
        )

    # One round

    def scan(self) -> int:
        """Look for inputs; returns how many are new. Inputs that vanished stay, and are found gone."""
        began = self._clock()
        found: dict[str, tuple[Input, Adapter]] = {}
        problems: dict[str, str] = {}
        shared: dict[tuple[tuple[str, ...], str | None], Roots] = {}
        for source in self._sources:
            key = (tuple(source.paths), source.workload)
            roots = shared.setdefault(key, Roots(source.paths, source.workload))
            try:
                for each in source.adapter.discover(roots):
                    found.setdefault(each.id, (each, source.adapter))
            except Exception as error:
                log.exception("adapter %s failed to look for inputs", source.adapter.name)
                problems[source.adapter.name] = f"adapter {source.adapter.name}: {error}"
            problems.update(roots.problems)
        for path, sentence in problems.items():
            if self.problems.get(path) != sentence:
                log.warning("%s", sentence)
        self.problems = problems
        with self._lock:
            new = [pair for key, pair in sorted(found.items()) if key not in self._tracked]
        if new:
            registered = self._store.register([each for each, _ in new])
            with self._lock:
                for each, (_, adapter) in zip(registered, new, strict=True):
                    self._tracked[each.id] = Tracked(each, adapter, lag_bytes=_size(each.path))
                    # The first scan is summed up by whoever asked for it.
                    level = logging.INFO if self._scanned else logging.DEBUG
                    log.log(level, "found %s: workload %s (%s)", each.name, each.workload, each.why)
        self._scanned = True
        cost = self._clock() - began
        self._next_scan = self._clock() + max(self._polling.rescan_seconds, cost / _SCAN_SHARE)
        return len(new)

    def poll(self, *, everything: bool = False) -> int:
        """Read the inputs that are due, each once and within its budget; returns how many gave something.

        everything: those not due as well, without regard to backoff.
        """
        moved = 0
        for each in self._due(everything):
            moved += self._visit(each)
        return moved

    def drain(
        self,
        seconds: float = float("inf"),
        progress: Callable[[ReadProgress], None] | None = None,
        *,
        final: bool = False,
    ) -> bool:
        """Read everything to its end; False when time ran out first. final: nothing is written any more."""
        deadline = self._clock() + seconds
        self.scan()
        for each in self.tracked():
            each.due, each.more = 0.0, True
            if each.state in ("dead", "gone") and _signature(each.input) != each.signature:
                each.state = "new"
        while True:
            if self._clock() > deadline or self._stopping:
                return False
            pending = [t for t in self._due(True) if t.more and t.state not in ("dead", "gone")]
            if not pending:
                return True
            for each in pending:
                self._visit(each, force=True, final=final)
                if each.failures:
                    each.more = False
                if progress:
                    progress(self.progress())

    # The thread

    def start(self) -> None:
        """Poll on a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="lensd-poller", daemon=True)
        self._thread.start()

    def stop(self, *, drain_seconds: float = 0.0) -> None:
        """End the thread after the reads under way; then read what is left for at most `drain_seconds`."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if drain_seconds > 0:
            self._stopping = False
            try:
                self.drain(drain_seconds)
            except StoreError as error:
                log.error("%s", error)
        for source in self._sources:
            source.adapter.close()

    def _run(self) -> None:
        with ThreadPoolExecutor(self._polling.threads, "lensd-read") as pool:
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
                for each in self._due(False):
                    if len(running) >= self._polling.threads:
                        break
                    each.busy = True
                    running.add(pool.submit(self._visit_and_wake, each))
                self._wake.wait(self._pause(len(running) >= self._polling.threads))

    def _visit_and_wake(self, each: Tracked) -> int:
        try:
            return self._visit(each)
        finally:
            each.busy = False
            self._wake.set()

    def _pause(self, full: bool) -> float:
        """Seconds until something is due; a read that ends wakes the thread earlier."""
        if full:
            return self._polling.slowest_seconds
        now = self._clock()
        dues = [t.due for t in self.tracked() if not t.busy]
        return max(0.005, min([self._next_scan, *dues], default=now + 1.0) - now)

    def _due(self, everything: bool) -> list[Tracked]:
        """Inputs to read now, the one that has waited longest first: a large one never starves others."""
        now = self._clock()
        due = [t for t in self.tracked() if not t.busy and (everything or t.due <= now)]
        return sorted(due, key=lambda t: t.due)

    # One input

    def _visit(self, each: Tracked, *, force: bool = False, final: bool = False) -> int:
        """One poll of one input: a `stat`, and a read where that shows a change or more is waiting."""
        each.polls += 1
        signature = _signature(each.input)
        if not force and not each.more and not each.waits and signature == each.signature:
            self._rest(each, moved=False)
            return 0
        try:
            batch = self._read(each, final)
        except ReadError as error:
            self._failed(each, error, signature)
            return 0
        except StoreError as error:
            self._not_stored(each, error)
            return 0
        except Exception as error:
            log.exception("%s: adapter %s failed", each.input.name, each.adapter.name)
            self._failed(each, RetryAfter(f"the adapter failed: {type(error).__name__}: {error}"), signature)
            return 0
        if each.failures or each.state in ("gone", "dead", "waiting"):
            log.info("%s: readable again", each.input.name)
        each.failures, each.state, each.signature, each.more = 0, "ok", signature, batch.more
        each.waits = batch.waits
        each.unstored = None
        moved = batch.counts.bytes > 0 or batch.point_count > 0
        self._rest(each, moved=moved)
        return int(moved)

    def _read(self, each: Tracked, final: bool) -> Batch:
        if not each.loaded:
            each.cursor, each.loaded = self._store.cursor(each.input.id), True
        polling = self._polling
        budget = Budget(
            polling.read_bytes,
            polling.read_points,
            polling.read_seconds,
            now_ms=self._wall() * 1000.0,
            final=final,
            clock=self._clock,
        )
        batch = each.adapter.read(each.input, each.cursor, budget)
        each.reads += 1
        if batch.restart:
            log.info("%s: replaced or truncated, read anew", each.input.name)
        if batch.cursor != each.cursor or batch.facts or batch.point_count or each.state != "ok":
            self._points += self._store.apply(each.input, batch, at_ms=budget.now_ms)
        each.cursor = batch.cursor
        each.lag_bytes = batch.lag_bytes
        self._bytes += batch.counts.bytes
        return batch

    def _rest(self, each: Tracked, *, moved: bool) -> None:
        with self._lock:
            followed = each.input.path in self._followed
        if each.more:
            each.interval, wait = self._polling.fastest_seconds, 0.0
        elif moved or followed:
            each.interval = wait = self._polling.fastest_seconds
        else:
            each.interval = wait = min(self._polling.slowest_seconds, each.interval * 1.5)
        each.due = self._clock() + wait

    def _failed(self, each: Tracked, error: ReadError, signature: Signature) -> None:
        state = "waiting"
        if isinstance(error, InputGone):
            state = "gone"
        elif isinstance(error, InputDead):
            state = "dead"
        each.failures += 1
        if each.state != state:
            log.warning("%s: %s", each.input.name, error)
            try:
                self._store.note_failure(each.input, state, str(error), self._wall() * 1000.0)
            except StoreError as failure:
                log.error("%s", failure)
        each.state, each.signature = state, signature
        # Nothing can come of reading again until the file itself changes.
        each.more = state == "waiting"
        asked = error.seconds if isinstance(error, RetryAfter) else self._polling.slowest_seconds
        wait = asked if state != "waiting" else asked * 2 ** min(each.failures - 1, 10)
        each.due = self._clock() + min(wait, _LONGEST_WAIT_S)

    def _not_stored(self, each: Tracked, error: StoreError) -> None:
        """The cursor did not move, so that the same is read again later and nothing is lost."""
        each.failures += 1
        if each.unstored is None:
            log.error("%s: not stored: %s", each.input.name, error)
        each.unstored = str(error)
        each.more = True
        wait = self._polling.fastest_seconds * 2 ** min(each.failures, 10)
        each.due = self._clock() + min(wait, _LONGEST_WAIT_S)


def _signature(given: Input) -> Signature:
    """What changes when an input does, at the cost of one `stat` a file."""
    return tuple(_stat(path) for path in (given.path, *given.companions))


def _stat(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _size(path: str) -> int:
    return (_stat(path) or (0,))[0]
