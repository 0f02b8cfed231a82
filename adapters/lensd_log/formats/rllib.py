"""Ray RLlib and Tune: one nested block per result.

    Result for PPO_CartPole-v0_0:
      date: 2018-12-11_10-45-28
      episode_reward_mean: 20.4
      info:
        learner:
          cur_lr: 4.9e-05
      timesteps_total: 4000
      training_iteration: 1

The step (`timesteps_total`, else `training_iteration`) is at the end of the block, so the values wait for
it: until a line that is not part of the block, or until nothing more comes. Nested names are joined with `/`.
Source: ray-project/ray python/ray/tune/progress_reporter.py, tune/logger (0.6 to 2.6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lensd_log.line.numbers import number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEAD = re.compile(r"Result for (\S{1,200}):\Z")
_LINE = re.compile(r"([\w./@ -]{1,120}):(?: (.{0,200}))?\Z")
_STEPS = ("timesteps_total", "num_env_steps_sampled_lifetime", "num_env_steps_sampled", "training_iteration")
_NO_METRICS = frozenset(
    "pid timestamp date done experiment_id hostname node_ip trial_id iterations_since_restore"
    " time_since_restore timesteps_since_restore".split()
)
_PAIRS = 2000


def _parse(entry: Entry, state: State) -> Parsed:
    head = _HEAD.match(entry.text)
    if head:
        flushed = _rest(state)
        state.update(pairs=[], names=[], date=None, steps={})
        return flushed
    if "pairs" not in state:
        return None
    match = _LINE.match(entry.text) if entry.indent > 1 else None
    if match is None or len(state["pairs"]) >= _PAIRS:
        return _rest(state)
    # A stripped prefix adds the blank that it ends with.
    outermost = state.setdefault("indent", entry.indent)
    depth, key, printed = max(0, entry.indent - outermost) // 2, match[1].strip(), (match[2] or "").strip()
    names = state["names"] = state["names"][:depth]
    if not printed:
        names.append(key)
        return ()
    if depth == 0 and key == "date":
        state["date"] = printed
    value = number(printed)
    if value is None:
        return ()
    if depth == 0 and key in _STEPS:
        state["steps"][key] = int(value) if abs(value) < 1 << 62 else 0
    elif not (depth == 0 and key in _NO_METRICS):
        state["pairs"].append(["/".join([*names, key]), value])
    return ()


def _rest(state: State) -> Sequence[Record]:
    """The open block, as far as it has come."""
    pairs, steps, date = state.get("pairs"), state.get("steps", {}), state.get("date")
    state.clear()
    if not pairs:
        return ()
    step = next((steps[name] for name in _STEPS if name in steps), None)
    if date:
        day, _, clock = date.partition("_")
        date = f"{day} {clock.replace('-', ':')}"
    return (Record([(name, float(value)) for name, value in pairs], step, printed_time=date),)


RLLIB = LogFormat("rllib", _parse, framework="rllib", needles=("Result for ", ": ", ":"), rest=_rest)
