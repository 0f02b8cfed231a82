"""The one reporter of this process, and what happens to it at exit, on SIGTERM and in a forked child."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from .guard import debug_hook, debug_reporter, guarded, note_fault
from .reporter import Reporter
from .settings import HookSettings, switch

#: Seconds for sending on SIGTERM when the program has a handler of its own that waits for its turn.
_SECONDS_BEFORE_HANDLER = 0.5

_reporter: Reporter | None = None
_registered = False
_finalizer_of = 0  # the process whose finalizer is registered


def reporter() -> Reporter:
    """The reporter of this process, created on first use."""
    global _reporter
    if _reporter is None:
        _reporter = Reporter(HookSettings.read())
    _register()
    return _reporter


def _register() -> None:
    global _registered
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=guarded(_after_fork))
        _chain_sigterm()
    _register_in_child()


def _register_in_child() -> None:
    """Children of multiprocessing end without atexit; they run multiprocessing's own finalizers."""
    global _finalizer_of
    util: Any = sys.modules.get("multiprocessing.util")
    process: Any = sys.modules.get("multiprocessing.process")
    if util is None or process is None or process.parent_process() is None:
        return
    if _finalizer_of != os.getpid():
        _finalizer_of = os.getpid()
        util.Finalize(None, _at_exit, exitpriority=100)


def _at_exit() -> None:
    if _reporter is None:
        return
    debug_hook("Cleaning up...")
    guarded(_reporter.drain)(_reporter.settings.drain)
    debug_reporter(f"Stopped. Stats: {_reporter.stats}")
    guarded(_report_unsent)(_reporter)


def _report_unsent(reporter: Reporter) -> None:
    """Print one line when something did not arrive, and nothing when all is well."""
    spools = [channel.spool for channel in reporter.channels if not channel.spool.empty]
    if spools:
        problem = reporter.last_problem or f"{reporter.settings.base_url} did not answer in time"
        sys.stderr.write(
            f"lensd hook: {problem}; what was not sent is in {os.path.dirname(spools[0].path)},"
            " and the next run there or `lensd hook flush` will send it\n"
        )
    lost = reporter.lost + sum(channel.overflowed for channel in reporter.channels)
    if lost:
        sys.stderr.write(f"lensd hook: {lost} log calls were lost: {reporter.last_problem}\n")


def _chain_sigterm() -> None:
    """On SIGTERM, send what waits before the signal does what it did before."""
    if not switch("WANDB_SIGTERM", True) or threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous == signal.SIG_IGN:  # None: a handler installed from C
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        if _reporter is not None:
            seconds = _reporter.settings.drain
            try:
                _reporter.drain(min(seconds, _SECONDS_BEFORE_HANDLER) if callable(previous) else seconds)
            except Exception as error:  # noqa: BLE001 - the signal must do what it did before
                note_fault("SIGTERM", error)
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, on_sigterm)


def _after_fork() -> None:
    """Leave to the parent what it has not sent; the child creates its own reporter when it logs."""
    global _reporter
    if _reporter is not None:
        for channel in _reporter.channels:
            channel.spool.forget()
        debug_hook("Forked: this process reports for itself")
    _reporter = None
