"""Wraps what wandb offers to users: `init`, `Run.log` (and so `wandb.log`) and `Run.finish`.

Arguments and results of wandb stay untouched. Tried with SDK 0.16, 0.19, 0.22 and 0.31: `Run.log` always
calls `Run._log(data, step, commit)`, which integrations such as that for TensorBoard call directly. Runs with
WANDB_MODE=disabled have their own `log` function, which is wrapped on the run object.
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
from .guard import debug, debug_hook, guarded
from .lifetime import reporter
from .settings import HookSettings
from .spool import Spool

#: Runs of this process, by id of the run object: a reference to it, and its channel (None: not reported).
_channels: dict[int, tuple[Any, Channel | None]] = {}
_process = os.getpid()
#: Ids of runs whose detection was queued, here or in the process that this one was forked from.
_detected: set[str] = set()


def intercept(wandb: Any) -> None:
    """Wrap the wandb module, once."""
    if getattr(wandb, "_lensd_hook", False):
        return
    debug_hook("Installing WandB hook...")
    if not settings.switch("WANDB_API_REPORTING", True):
        debug_hook("API reporting disabled")
        return
    debug_hook("API reporting enabled")
    wandb._lensd_hook = True
    run_class = _run_class()
    name = "_log" if _takes_data_step_commit(getattr(run_class, "_log", None)) else "log"
    setattr(run_class, name, _observing_log(getattr(run_class, name)))
    run_class.finish = _observing_finish(run_class.finish)
    run_class.define_metric = _observing_definition(run_class.define_metric)
    wandb.init = _observing_init(wandb.init, wandb)


def _run_class() -> Any:
    return sys.modules["wandb.sdk.wandb_run"].Run


def _takes_data_step_commit(log: Any) -> bool:
    return callable(log) and list(inspect.signature(log).parameters)[1:4] == ["data", "step", "commit"]


def _observing_init(init: Callable[..., Any], wandb: Any) -> Callable[..., Any]:
    @functools.wraps(init)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        debug_hook("Intercepted wandb.init()")
        run = init(*arguments, **options)
        _begin(run, wandb)
        return run

    return wrapper


def _observing_log(log: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(log)
    def wrapper(run: Any, *arguments: Any, **options: Any) -> Any:
        result = log(run, *arguments, **options)
        _observe(run, *arguments, **options)
        return result

    return wrapper


def _observing_definition(define_metric: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(define_metric)
    def wrapper(run: Any, *arguments: Any, **options: Any) -> Any:
        result = define_metric(run, *arguments, **options)
        _define(run, *arguments, **options)
        return result

    return wrapper


def _observing_finish(finish: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(finish)
    def wrapper(run: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return finish(run, *arguments, **options)
        finally:
            _end(run)

    return wrapper


@guarded
def _begin(run: Any, wandb: Any) -> None:
    if run is None:
        return
    debug_hook(f"WandB run initialized: {getattr(run, 'name', None) or run.id}")
    _wrap_own_log(run, wandb)
    _channel(run)


@guarded
def _observe(run: Any, data: Any = None, step: Any = None, commit: Any = None, sync: Any = None) -> None:
    channel = _channel(run)
    if channel is not None and isinstance(data, Mapping):
        channel.observe(data, step, commit)
        reporter().wake_if_busy(channel.queued_values)


@guarded
def _define(run: Any, name: Any, step_metric: Any = None, *_: Any, **__: Any) -> None:
    """Report the axis of a metric, with the detection, which is sent again."""
    axis = getattr(step_metric, "name", step_metric)
    channel = _channel(run)
    if channel is not None and isinstance(name, str) and isinstance(axis, str):
        channel.axes.append((name, axis))
        _queue_detection(channel, run, reporter().settings.namespace)


@guarded
def _end(run: Any) -> None:
    if _process != os.getpid():
        return
    _, channel = _channels.pop(id(run), (None, None))
    if channel is not None:
        channel.finished = True
        reporter().wake()


def _wrap_own_log(run: Any, wandb: Any) -> None:
    """Wrap the `log` of a run that does not log through its class (WANDB_MODE=disabled)."""
    if getattr(type(run), "log", None) is _run_class().log and "log" not in vars(run):
        return
    log = run.log
    if getattr(log, "_lensd_hook", False):
        return

    @functools.wraps(log)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        result = log(*arguments, **options)
        _observe(run, *arguments, **options)
        return result

    wrapper._lensd_hook = True  # type: ignore[attr-defined]  # marks what is wrapped already
    is_global = wandb.log == log
    run.log = wrapper
    if is_global:
        wandb.log = wrapper


def _channel(run: Any) -> Channel | None:
    """The channel of a run, created when the run is first seen; None for a run that is not reported."""
    global _process
    if _process != os.getpid():  # forked
        _channels.clear()
        _process = os.getpid()
    reference, channel = _channels.get(id(run), (None, None))
    if reference is not None and reference() is run:
        return channel
    channel = None
    if settings.reports():
        channel = _new_channel(run)
    else:
        debug_hook("Only rank 0 reports; LENSD_WANDB_ALL_RANKS=true lets all report")
    _channels[id(run)] = (weakref.ref(run), channel)
    return channel


def _new_channel(run: Any) -> Channel:
    """Start to report a run: its channel, with its detection queued unless that was done before."""
    own_reporter = reporter()
    options = own_reporter.settings
    identity = _identity(run, options)
    folder = settings.spool_folder(_wandb_folder(run))
    spool = Spool(folder, identity, options.spool_bytes)
    channel = Channel(identity, spool, starting_step(run), options.memory_values)
    if identity["run_id"] not in _detected:
        _detected.add(identity["run_id"])
        _queue_detection(channel, run, options.namespace)
    own_reporter.add(channel, folder)
    own_reporter.start()
    return channel


def _identity(run: Any, options: HookSettings) -> dict[str, str]:
    run_id = str(run.id)
    workload = options.workload or options.pod_name or run_id
    if not options.workload:
        debug_hook(f"WORKLOAD_UID not set: reporting as {workload}")
    return {
        "workload_uid": workload,
        "pod_uid": options.pod_uid,
        "pod_name": options.pod_name,
        "run_id": run_id,
    }


@guarded
def _queue_detection(channel: Channel, run: Any, namespace: str) -> None:
    body = evidence.detection_body(run, channel.identity, namespace, channel.axes)
    channel.detection = body
    debug_hook("Framework detection data queued for reporting")
    debug(f"  Detected frameworks: {body['hints']['possible_frameworks']}")
    debug(f"  Confidence: {body['hints']['confidence']}")


def _wandb_folder(run: Any) -> str | None:
    """The folder that holds wandb's runs; None for a run that has none."""
    folder = getattr(getattr(run, "_settings", None), "wandb_dir", None)
    return folder if isinstance(folder, str) and os.path.isdir(folder) else None
