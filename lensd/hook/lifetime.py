"""The one reporter of this process, and what happens to it at exit, on SIGTERM and in a forked child."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from .guard import guarded, lens, note_fault, tell
from .guard import reporter as say
from .reporter import Reporter
from .settings import HookSettings, switch

_reporter: Reporter | None = None
_registered = False


def reporter() -> Reporter:
    """The reporter of this process, made when first asked for."""
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
    """Children of multiprocessing end without atexit; its own finalizers run there."""
    util: Any = sys.modules.get("multiprocessing.util")
    process: Any = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        global _finalizer_of
        if _finalizer_of != os.getpid():
            _finalizer_of = os.getpid()
            util.Finalize(None, _at_exit, exitpriority=100)


_finalizer_of = 0


def _at_exit() -> None:
    if _reporter is None:
        return
    lens("Cleaning up...")
    guarded(_reporter.drain)(_reporter.settings.drain)
    say(f"Stopped. Stats: {_reporter.stats}")
    guarded(_tell_what_is_left)(_reporter)


def _tell_what_is_left(reporter: Reporter) -> None:
    """One line for the user where something did not arrive; nothing where all is well."""
    spools = [channel.spool for channel in reporter.channels if not channel.spool.empty]
    if spools:
        problem = reporter.last_problem or f"{reporter.settings.base_url} did not answer in time"
        line = (
            f"lensd hook: {problem}; what is left is in"
            f" {os.path.dirname(spools[0].path)}, and is sent by the next run there or by `lensd hook flush`"
        )
        sys.stderr.write(line + "\n")
    lost = reporter.lost + sum(channel.overflown for channel in reporter.channels)
    if lost:
        sys.stderr.write(f"lensd hook: {lost} log calls were lost: {reporter.last_problem}\n")


def _chain_sigterm() -> None:
    """Report what is waiting before SIGTERM does what it did before."""
    if not switch("WANDB_SIGTERM", True) or threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous == signal.SIG_IGN:  # a handler of C code, or nobody wants to be told
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        current = _reporter
        if current is not None:
            limit = current.settings.drain
            try:
                current.drain(min(limit, 0.5) if callable(previous) else limit)
            except Exception as error:  # noqa: BLE001 - the signal must do what it did before
                note_fault("SIGTERM", error)
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, on_sigterm)


def _after_fork() -> None:
    """What the parent has not sent is the parent's; the child starts its own reporter when it logs."""
    global _reporter
    if _reporter is not None:
        for channel in _reporter.channels:
            channel.spool.forget()
        tell("[Primus Lens WandB] Forked: this process reports for itself")
    _reporter = None
