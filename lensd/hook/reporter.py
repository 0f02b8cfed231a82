"""Two threads that carry what was logged to the server, or to disk while the server is away.

The *collector* moves rows from training into memory every second, or into the spool when the sender does not
keep up; it never touches the network, so that a server that hangs cannot make memory grow. The *sender*
posts batches, retries with backoff, and empties the spool in order once the server takes data again.
Training itself only appends to a queue.

Nothing here is locked by the thread that trains, because a signal handler may interrupt it anywhere.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress

from .channel import Channel
from .delivery import Delivery, Outcome
from .guard import note_fault
from .guard import reporter as say
from .leftovers import Leftovers
from .settings import HookSettings
from .work import Evidence, Rows, Spooled, Work, row_lines

#: Bytes of spool for each value of a batch; a value is written as `"name":0.5,`.
_BYTES_A_VALUE = 32
_NUDGE_AT = 5_000


class Reporter:
    """Reports the runs of one process. `leftovers` is the folder whose spools of earlier processes are sent
    too."""

    def __init__(self, settings: HookSettings) -> None:
        self.settings = settings
        self.channels: list[Channel] = []
        self.stats = {"detection_sent": 0, "metrics_sent": 0, "errors": 0}
        self.lost = 0  # log calls that neither reached the server nor the disk
        self.last_problem = ""
        self._delivery = Delivery(settings.base_url, settings.token)
        self._batch_values = settings.batch_values
        self._lock = threading.Lock()  # pending, in flight and spools; never taken by training
        self._in_flight: list[Work] = []
        self._away = False
        self._retry_at = 0.0
        self._backoff = settings.retry_first
        self._leftovers: list[Leftovers] = []
        # SimpleQueue may be used in a signal handler that interrupts itself; Event and Condition may not.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._work_there: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._nudged = False
        self._deadline: float | None = None
        self._drains_begun = self._drains_done = 0
        self._reached = False  # the server has taken something from this process
        self._started = False

    # Called by training ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads, once."""
        if not self._started:
            self._started = True
            for target, name in (
                (self._collect_forever, "lensd-hook"),
                (self._send_forever, "lensd-hook-sender"),
            ):
                threading.Thread(target=target, name=name, daemon=True).start()
            say(f"Started (API: {self.settings.base_url})")

    def add(self, channel: Channel, spool_folder: str) -> None:
        if all(each.folder != spool_folder for each in self._leftovers):
            self._leftovers.append(Leftovers(spool_folder, self._delivery))
        self.channels.append(channel)

    def nudge_at(self, waiting: int) -> None:
        """Wake the collector early when much is waiting."""
        if waiting > _NUDGE_AT and not self._nudged:
            self._nudged = True
            self._wake.put(None)

    def nudge(self) -> None:
        self._wake.put(None)

    def drain(self, seconds: float) -> None:
        """Send what is waiting within so many seconds; what is left then is on disk. Can be called again,
        and from a signal handler."""
        if not self._started:
            return
        wanted = self._drains_begun + 1
        now = time.monotonic()
        self._deadline = now + seconds
        self._wake.put(None)
        while self._drains_done < wanted and time.monotonic() < now + seconds + 2.0:
            time.sleep(0.002)

    # The collector -----------------------------------------------------------------------------------------

    def _collect_forever(self) -> None:
        while True:
            with suppress(queue.Empty):
                self._wake.get(timeout=self.settings.interval)
            self._nudged = False
            deadline, self._deadline = self._deadline, None
            if deadline is not None:
                self._drains_begun += 1
            try:
                self._collect()
                self._work_there.put(None)
                if deadline is not None:
                    self._drain_now(deadline)
            except Exception as error:  # noqa: BLE001 - the thread must live, whatever one batch did
                note_fault("collector", error)
            finally:
                if deadline is not None:
                    self._drains_done += 1

    def _collect(self) -> None:
        for channel in list(self.channels):
            rows = channel.collect()
            with self._lock:
                waiting = sum(each.pending_values for each in self.channels)
                channel.pending.extend(rows)
                channel.pending_values += sum(len(values) for _, _, values in rows)
                if self._away or not channel.spool.empty or waiting > self.settings.memory_values:
                    # A disk that takes nothing is no reason to forget what there is room for.
                    self._spool_pending(channel, forget=waiting > self.settings.memory_values)
                if channel.finished and channel.idle:
                    self.channels.remove(channel)

    def _drain_now(self, deadline: float) -> None:
        """The sender may be waiting for a slow answer: another one sends the rest without waiting for it."""
        self._retry_at = 0.0
        last = threading.Thread(target=self._send_rest, args=(deadline,), name="lensd-hook-last", daemon=True)
        last.start()
        while time.monotonic() < deadline and (last.is_alive() or self._in_flight):
            time.sleep(0.002)
        with self._lock:
            for work in self._in_flight:
                work.kept = work.kept or self._spool(work.channel, work.lines())
            for channel in self.channels:
                if channel.evidence is not None:
                    self._spool(channel, Evidence(channel).lines())
                self._spool_pending(channel, forget=True)

    def _spool_pending(self, channel: Channel, *, forget: bool) -> None:
        """Move what waits in memory to the disk; what it does not take is kept, or forgotten and counted."""
        taken = self._spool(channel, row_lines(channel.pending))
        if taken or forget:
            self.lost += 0 if taken else len(channel.pending)
            channel.pending.clear()
            channel.pending_values = 0

    def _spool(self, channel: Channel, lines: list[bytes]) -> bool:
        try:
            channel.spool.append(lines)
        except OSError as error:
            self.last_problem = str(error)
            note_fault("spool", error)
            return False
        return True

    # The sender --------------------------------------------------------------------------------------------

    def _send_forever(self) -> None:
        while True:
            try:
                if self._away and time.monotonic() < self._retry_at:
                    self._rest(self._retry_at - time.monotonic())
                elif not self._send_one(self.settings.timeout) and not self._send_leftover():
                    self._rest(self.settings.interval)
            except Exception as error:  # noqa: BLE001 - the thread must live, whatever one batch did
                note_fault("sender", error)
                self._rest(self.settings.interval)

    def _rest(self, seconds: float) -> None:
        with suppress(queue.Empty):
            self._work_there.get(timeout=max(0.001, seconds))

    def _send_rest(self, deadline: float) -> None:
        try:
            while (left := deadline - time.monotonic()) > 0 and self._send_one(
                min(left, self.settings.timeout)
            ):
                if self._away:
                    return
        except Exception as error:  # noqa: BLE001 - what is left goes to disk
            note_fault("last sender", error)

    def _send_one(self, timeout: float) -> bool:
        """Send one piece of work. False: there is none."""
        with self._lock:
            work = self._take()
            if work is None:
                return False
            self._in_flight.append(work)
        outcome, why = Outcome.LATER, "was not asked"
        try:
            for path, body in work.bodies():
                outcome, why = self._delivery.post(path, body, timeout)
                if outcome is not Outcome.TAKEN:
                    break
            else:
                outcome = Outcome.TAKEN
        finally:
            with self._lock:
                self._in_flight.remove(work)
                self._settle(work, outcome, why)
        return True

    def _take(self) -> Work | None:
        """The next piece of work, from each run in turn: evidence, then what waits, then what was spooled."""
        for at, channel in enumerate(self.channels):
            work: Work | None = None
            if channel.evidence is not None:
                work = Evidence(channel)
            elif channel.pending:
                work = Rows(channel, self._batch_values)
            elif not channel.spool.empty and not channel.spool_taken:
                work = Spooled(channel, self._batch_values * _BYTES_A_VALUE)
            if work is not None:
                self.channels.append(self.channels.pop(at))
                return work
        return None

    def _settle(self, work: Work, outcome: Outcome, why: str) -> None:
        """What becomes of a piece of work, with the lock held."""
        work.let_go()
        if outcome is Outcome.TAKEN:
            self._away, self._reached, self._backoff = False, True, self.settings.retry_first
            work.done()
            self.stats["detection_sent"] += work.detections
            self.stats["metrics_sent"] += work.log_calls
            return
        self.stats["errors"] += 1
        self.last_problem = f"{self.settings.base_url} {why}"
        say(self.last_problem)
        if outcome is Outcome.SMALLER and work.log_calls > 1:
            self._batch_values = max(1, work.values // 2)
            work.put_back()
        elif outcome is Outcome.LATER:
            self._away = True
            self._retry_at = time.monotonic() + self._backoff
            self._backoff = min(self._backoff * 2, self.settings.retry_longest)
            if not work.kept and not self._spool(work.channel, work.lines()):
                work.put_back()
        else:
            self.lost += work.log_calls
            work.done()

    def _send_leftover(self) -> bool:
        """Send a piece of what earlier processes left. False: there is nothing more of it."""
        if self._away or not self._reached:
            return False
        return any(each.send_one(self.settings.timeout) for each in self._leftovers)
