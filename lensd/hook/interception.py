"""Wraps what wandb offers to users: `init`, `Run.log` (and so `wandb.log`), `Run.finish`.

What wandb is given and what it returns stays untouched. Tried with SDK 0.16, 0.19, 0.22 and 0.31: `Run.log`
always ends in `Run._log(data, step, commit)`, which the integrations for TensorBoard and others call
directly; runs of
WANDB_MODE=disabled have a `log` of their own, which is wrapped on the run.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from . import evidence, settings
from .channel import Channel, starting_step
from .guard import guarded, lens, tell
from .lifetime import reporter
from .spool import Spool

#: Runs of this process: id of the run object to a reference to it and its channel (None: it does not report).
_channels: dict[int, tuple[Any, Channel | None]] = {}
_process = os.getpid()
#: Run ids whose evidence was queued, here or in the process that this one was forked from.
_told: set[str] = set()


def intercept(wandb: Any) -> None:
    """Wrap wandb, once."""
    if getattr(wandb, "_lensd_hook", False):
        return
    lens("Installing WandB hook...")
    if not settings.switch("WANDB_API_REPORTING", True):
        lens("API reporting disabled")
        return
    lens("API reporting enabled")
    wandb._lensd_hook = True
    run_class = sys.modules["wandb.sdk.wandb_run"].Run
    name = "_log" if _is_log(getattr(run_class, "_log", None)) else "log"
    setattr(run_class, name, _observed(getattr(run_class, name)))
    run_class.finish = _finished(run_class.finish)
    wandb.init = _initialised(wandb.init, wandb)


def _is_log(function: Any) -> bool:
    return callable(function) and list(inspect.signature(function).parameters)[1:4] == [
        "data",
        "step",
        "commit",
    ]


def _observed(log: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(log)
    def _log(self: Any, *arguments: Any, **named: Any) -> Any:
        result = log(self, *arguments, **named)
        _observe(self, *arguments, **named)
        return result

    return _log


@guarded
def _observe(run: Any, data: Any = None, step: Any = None, commit: Any = None, sync: Any = None) -> None:
    channel = _channel(run)
    if channel is not None and isinstance(data, Mapping):
        reporter().nudge_at(channel.observe(data, step, commit))


def _finished(finish: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(finish)
    def wrapper(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return finish(self, *arguments, **named)
        finally:
            _end(self)

    return wrapper


@guarded
def _end(run: Any) -> None:
    known = _channels.pop(id(run), None) if _process == os.getpid() else None
    if known is not None and known[1] is not None:
        known[1].finished = True
        reporter().nudge()


def _initialised(init: Callable[..., Any], wandb: Any) -> Callable[..., Any]:
    @functools.wraps(init)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        lens("Intercepted wandb.init()")
        run = init(*arguments, **named)
        _begin(run, wandb)
        return run

    return wrapper


@guarded
def _begin(run: Any, wandb: Any) -> None:
    if run is None:
        return
    lens(f"WandB run initialized: {getattr(run, 'name', None) or run.id}")
    _wrap_own_log(run, wandb)
    _channel(run)


def _wrap_own_log(run: Any, wandb: Any) -> None:
    """A run that does not log through the class (WANDB_MODE=disabled) is wrapped itself."""
    run_class = sys.modules["wandb.sdk.wandb_run"].Run
    if getattr(type(run), "log", None) is run_class.log and "log" not in vars(run):
        return
    log = run.log
    if getattr(log, "_lensd_hook", False):
        return

    @functools.wraps(log)
    def own(*arguments: Any, **named: Any) -> Any:
        result = log(*arguments, **named)
        _observe(run, *arguments, **named)
        return result

    own._lensd_hook = True  # type: ignore[attr-defined]  # a mark on our own function
    own_is_global = wandb.log == log
    run.log = own
    if own_is_global:
        wandb.log = own


def _channel(run: Any) -> Channel | None:
    """The channel of a run; made, and its evidence queued, when the run is first seen."""
    global _process
    if _process != os.getpid():
        _channels.clear()
        _process = os.getpid()
    known = _channels.get(id(run))
    if known is not None and known[0]() is run:
        return known[1]
    channel = _make(run) if settings.reports() else None
    if channel is None:
        lens("Only rank 0 reports; LENSD_WANDB_ALL_RANKS=true lets all report")
    _channels[id(run)] = (weakref.ref(run), channel)
    return channel


def _make(run: Any) -> Channel:
    own = reporter()
    chosen = own.settings
    run_id = str(run.id)
    workload = chosen.workload or chosen.pod_name or run_id
    if not chosen.workload:
        lens(f"WORKLOAD_UID not set: reporting as {workload}")
    identity = {
        "workload_uid": workload,
        "pod_uid": chosen.pod_uid,
        "pod_name": chosen.pod_name,
        "run_id": run_id,
    }
    folder = settings.spool_folder(_wandb_folder(run))
    channel = Channel(
        identity, Spool(folder, identity, chosen.spool_bytes), starting_step(run), chosen.memory_values
    )
    if run_id not in _told:
        _told.add(run_id)
        _queue_evidence(channel, run, chosen.namespace)
    own.add(channel, folder)
    own.start()
    return channel


@guarded
def _queue_evidence(channel: Channel, run: Any, namespace: str) -> None:
    body = evidence.collect(run, channel.identity, namespace)
    channel.evidence = body
    lens("Framework detection data queued for reporting")
    tell(f"  Detected frameworks: {body['hints']['possible_frameworks']}")
    tell(f"  Confidence: {body['hints']['confidence']}")


def _wandb_folder(run: Any) -> str | None:
    """wandb's own folder, where its runs lie; None for a run that has none."""
    folder = getattr(getattr(run, "_settings", None), "wandb_dir", None)
    return folder if isinstance(folder, str) and os.path.isdir(folder) else None
