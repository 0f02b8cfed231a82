"""Tables of reinforcement learning: Stable-Baselines 2 and 3, OpenAI Baselines, Spinning Up.

    -----------------------------------
    | rollout/            |           |
    |    ep_rew_mean      | -227      |
    | time/               |           |
    |    total_timesteps  | 77824     |
    -----------------------------------
    Eval num_timesteps=10000, episode_reward=-157.30 +/- 12.10
    Episode length: 200.00 +/- 0.00

The step is inside the block, mostly after values that belong to it, so a block is read once its closing line
has come. A block without a step is another program's table. A key below `rollout/` is `rollout/ep_rew_mean`.
Source: DLR-RM/stable-baselines3 common/logger.py `HumanOutputFormat`, common/callbacks.py `EvalCallback`;
hill-a/stable-baselines logger.py; openai/spinningup spinup/utils/logx.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.numbers import NUMBER, number, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_EDGE = re.compile(r"-{8,400}\Z")
#: Rows that hold the step, best first.
_STEPS = (
    "time/total_timesteps",
    "time/total timesteps",
    "total_timesteps",
    "total timesteps",
    "misc/total_timesteps",
    "TotalEnvInteracts",
    "TimestepsSoFar",
    "EnvstepsSoFar",
    "Epoch",
)
_EVAL = re.compile(rf"Eval num_timesteps=(\d{{1,15}}), (\w{{1,40}})=({NUMBER})(?: \+/- {NUMBER})?")
_LENGTH = re.compile(rf"(Episode length|Success rate): ({NUMBER})(?:%| \+/- {NUMBER})?")
_ROWS = 300


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if text.startswith("|"):
        return _row(text, state)
    if _EDGE.match(text):
        rows = state.pop("rows", None)
        state.pop("group", None)
        if rows:
            return _block(rows)
        state["rows"] = []
        return ()
    state.pop("rows", None)
    evaluation = _EVAL.match(text)
    if evaluation and entry.complete:
        state["evaluated"] = int(evaluation[1])
        return (Record([(evaluation[2], to_float(evaluation[3]))], int(evaluation[1]), evaluation=True),)
    length = _LENGTH.match(text) if "evaluated" in state else None
    if length:
        return (Record([(length[1], to_float(length[2]))], state["evaluated"], evaluation=True),)
    return None


def _row(text: str, state: State) -> Parsed:
    cells = text.split("|")
    if "rows" not in state or len(cells) != 4 or cells[3] or len(state["rows"]) >= _ROWS:
        state.pop("rows", None)
        return None
    key, printed = cells[1].rstrip(), cells[2].strip()
    name = key.strip()
    if not printed and name.endswith("/"):
        state["group"] = name
    elif key.startswith("  ") and "group" in state:
        state["rows"].append([state["group"] + name, printed])
    else:
        state["rows"].append([name, printed])
    return ()


def _block(rows: list[list[str]]) -> Parsed:
    cells = dict(rows)
    step = next((value for name in _STEPS if (value := number(cells.get(name, ""))) is not None), None)
    if step is None or not abs(step) < 1 << 62:
        return ()
    metrics = Values((name, printed) for name, printed in rows if name not in _STEPS)
    framework = "stable-baselines3" if any("/" in name for name in cells) else None
    return (Record(metrics.values, int(step), framework=framework),) if metrics.values else ()


RL_TABLES = LogFormat(
    "rl-table",
    _parse,
    needles=("--------", "| ", "Eval num_timesteps=", "Episode length: ", "Success rate: "),
    framework="stable-baselines",
)
