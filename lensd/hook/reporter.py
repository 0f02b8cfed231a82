"""Two threads that carry what was logged to the server, or to disk while the server is away.

The *collector* moves rows from training into memory every second, and on to the spool when the sender falls
behind. It never uses the network, so a server that hangs cannot make memory grow. The *sender* posts batches,
retries with backoff, and empties the spool in order once the server answers again. Training itself only
appends to a queue.

The training thread takes no lock here, because a signal handler may interrupt it anywhere.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .channel import Channel
from .client import ApiClient, Outcome
from .guard import debug_reporter, note_fault
from .leftovers import Leftovers
from .settings import HookSettings
from .spool_format import row_lines
from .tasks import DetectionTask, Task, next_task

#: Bytes of spool to read for each value of a batch; a value is written as `"name":0.5,`.
_BYTES_PER_VALUE = 32
#: The collector is woken early when more values than this are queued.
_BUSY_VALUES = 5_000


class Reporter:
    """Reports the runs of one process.

    stats: counters of the debug message at exit. lost: log calls that reached neither the server nor the
    disk. last_problem: why the last post or write failed, a clause.
    """

    def __init__(self, settings: HookSettings) -> None:
        self.settings = settings
        self.channels: list[Channel] = []
        self.stats = {"detection_sent": 0, "metrics_sent": 0, "errors": 0}
        self.lost = 0
        self.last_problem = ""
        self._client = ApiClient(settings.base_url, settings.token)
        self._batch_values = settings.batch_values
        self._lock = threading.Lock()  # guards pending rows, tasks in flight and spools
        self._in_flight: list[Task] = []
        self._server_away = False
        self._server_accepted = False  # something of this process
        self._retry_at = 0.0
        self._backoff = settings.retry_first
        self._leftovers: list[Leftovers] = []
        # SimpleQueue.put is reentrant: a signal handler may interrupt it and call it. Event.set is not.
        self._collector_alarm: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._sender_alarm: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._alarm_pending = False
        self._drain_deadline: float | None = None
        self._drains_begun = self._drains_done = 0
        self._started = False

    # Called by training ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads, once."""
        if not self._started:
            self._started = True
            _start_thread(self._collect_forever, "lensd-hook")
            _start_thread(self._send_forever, "lensd-hook-sender")
            debug_reporter(f"Started (API: {self.settings.base_url})")

    def add(self, channel: Channel, spool_folder: str) -> None:
        """Report this channel, and what earlier processes left in the folder."""
        if all(leftovers.folder != spool_folder for leftovers in self._leftovers):
            self._leftovers.append(Leftovers(spool_folder, self._client))
        self.channels.append(channel)

    def wake_if_busy(self, queued_values: int) -> None:
        """Wake the collector early when much is queued."""
        if queued_values > _BUSY_VALUES and not self._alarm_pending:
            self._alarm_pending = True
            self.wake()

    def wake(self) -> None:
        """Wake the collector."""
        self._collector_alarm.put(None)

    def drain(self, seconds: float) -> None:
        """Send what waits, for so many seconds at most; what is left then is on disk.

        May be called repeatedly, and from a signal handler.
        """
        if not self._started:
            return
        this_drain = self._drains_begun + 1
        deadline = self._drain_deadline = time.monotonic() + seconds
        self.wake()
        while self._drains_done < this_drain and time.monotonic() < deadline + 2.0:
            time.sleep(0.002)

    # The collector -----------------------------------------------------------------------------------------

    def _collect_forever(self) -> None:
        while True:
            _wait(self._collector_alarm, self.settings.interval)
            self._alarm_pending = False
            deadline, self._drain_deadline = self._drain_deadline, None
            if deadline is not None:
                self._drains_begun += 1
            try:
                self._collect()
                self._sender_alarm.put(None)
                if deadline is not None:
                    self._drain_until(deadline)
            except Exception as error:  # noqa: BLE001 - the thread must live on
                note_fault("collector", error)
            finally:
                if deadline is not None:
                    self._drains_done += 1

    def _collect(self) -> None:
        for channel in list(self.channels):
            with self._lock:
                memory_full = self._pending_values() > self.settings.memory_values
                channel.collect()
                if self._server_away or not channel.spool.empty or memory_full:
                    # While there is memory, rows stay there when the disk takes none.
                    self._spool_pending(channel, drop=memory_full)
                if channel.finished and channel.idle:
                    self.channels.remove(channel)

    def _pending_values(self) -> int:
        return sum(channel.pending_values for channel in self.channels)

    def _drain_until(self, deadline: float) -> None:
        """Send until the deadline, then spool what is left.

        The sender may be waiting for a slow answer, so another thread sends the rest meanwhile.
        """
        self._retry_at = 0.0
        last_sender = _start_thread(lambda: self._send_rest(deadline), "lensd-hook-last")
        while time.monotonic() < deadline and (last_sender.is_alive() or self._in_flight):
            time.sleep(0.002)
        with self._lock:
            for task in self._in_flight:
                task.spooled = task.spooled or self._spool_task(task)
            for channel in self.channels:
                if channel.detection is not None:
                    self._spool_task(DetectionTask(channel))
                self._spool_pending(channel, drop=True)

    def _spool_pending(self, channel: Channel, *, drop: bool) -> None:
        """Move pending rows to disk. Rows that the disk does not take stay, or are dropped and counted."""
        spooled = self._spool(channel, row_lines(channel.pending))
        if spooled or drop:
            self.lost += 0 if spooled else len(channel.pending)
            channel.pending.clear()
            channel.pending_values = 0

    def _spool_task(self, task: Task) -> bool:
        return self._spool(task.channel, task.spool_lines())

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
                if self._server_away and time.monotonic() < self._retry_at:
                    _wait(self._sender_alarm, self._retry_at - time.monotonic())
                elif not self._send_task(self.settings.timeout) and not self._send_leftover():
                    _wait(self._sender_alarm, self.settings.interval)
            except Exception as error:  # noqa: BLE001 - the thread must live on
                note_fault("sender", error)
                _wait(self._sender_alarm, self.settings.interval)

    def _send_rest(self, deadline: float) -> None:
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not self._send_task(min(left, self.settings.timeout)) or self._server_away:
                    return
        except Exception as error:  # noqa: BLE001 - what is left goes to disk
            note_fault("last sender", error)

    def _send_task(self, timeout: float) -> bool:
        """Send one task. False: there is none."""
        with self._lock:
            task = self._take_task()
            if task is None:
                return False
            self._in_flight.append(task)
        outcome, reason = Outcome.RETRY, "was not asked"
        try:
            outcome, reason = self._post(task, timeout)
        finally:
            with self._lock:
                self._in_flight.remove(task)
                task.release()
                if outcome is Outcome.ACCEPTED:
                    self._accepted(task)
                else:
                    self._failed(task, outcome, reason)
        return True

    def _take_task(self) -> Task | None:
        """The next task, from each channel in turn. Called with the lock held."""
        for index, channel in enumerate(self.channels):
            task = next_task(channel, self._batch_values, self._batch_values * _BYTES_PER_VALUE)
            if task is not None:
                self.channels.append(self.channels.pop(index))
                return task
        return None

    def _post(self, task: Task, timeout: float) -> tuple[Outcome, str]:
        """Post the bodies of a task, up to the first that is not accepted."""
        for path, body in task.posts():
            outcome, reason = self._client.post(path, body, timeout)
            if outcome is not Outcome.ACCEPTED:
                return outcome, reason
        return Outcome.ACCEPTED, ""

    def _accepted(self, task: Task) -> None:
        """Called with the lock held, as is `_failed`."""
        self._server_away, self._server_accepted = False, True
        self._backoff = self.settings.retry_first
        task.complete()
        self.stats["detection_sent"] += len(task.detections)
        self.stats["metrics_sent"] += task.log_calls

    def _failed(self, task: Task, outcome: Outcome, reason: str) -> None:
        self.stats["errors"] += 1
        self.last_problem = f"{self.settings.base_url} {reason}"
        debug_reporter(self.last_problem)
        if outcome is Outcome.TOO_LARGE and task.log_calls > 1:
            self._batch_values = max(1, task.values // 2)
            task.put_back()
        elif outcome is Outcome.RETRY:
            self._server_away = True
            self._retry_at = time.monotonic() + self._backoff
            self._backoff = min(self._backoff * 2, self.settings.retry_longest)
            if not task.spooled and not self._spool_task(task):
                task.put_back()
        else:
            self.lost += task.log_calls
            task.complete()

    def _send_leftover(self) -> bool:
        """Send a part of what earlier processes left. False: there is none, or the server is away."""
        if self._server_away or not self._server_accepted:
            return False
        return any(leftovers.send_part(self.settings.timeout) for leftovers in self._leftovers)


def _start_thread(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _wait(alarm: queue.SimpleQueue[None], seconds: float) -> None:
    """Until the alarm goes off, for so many seconds at most."""
    with suppress(queue.Empty):
        alarm.get(timeout=max(0.001, seconds))
