"""Progress bars that carry numbers: tqdm with a postfix, Lightning's (tqdm and Rich), OpenRLHF, diffusers.

    Epoch 0:  97%|#########7| 1651/1702 [13:00<00:24,  2.11it/s, loss=0.158, v_num=0, train_loss=0.149]
    Epoch 3/9  ---------------- 938/938 0:00:10 * 0:00:00 90.12it/s v_num: 0.000 train_loss: 0.104      Rich
    Train epoch [1/1]: 100%|##########| 128/128 [02:11<00:00,  1.02s/it, pg=0.01, kl=0.002]
    Steps:  10%|#         | 100/1000 [00:50<07:30,  2.00it/s, loss=0.117, lr=1e-5]
    Steps: 100it [00:50,  2.00it/s, loss=0.117, lr=1e-5]                                  of unknown length

The step is the postfix's `global_step` where it has one (NeMo 1), else `epoch * N + i`. A bar that starts
over without a new epoch, or one of unknown length (`7/?`, `7it`), continues where the one before ended. A bar
is drawn many times with the same numbers: the counter moves before the postfix does, and the next epoch
begins with the postfix of the last. So of several redraws of one counter the last one counts, a value that
only stayed is none at 0, and one that came later than the others (`val_loss`, after the first validation)
counts when it changes or a validation has ended. Of an evaluation's bar the numbers at its end count, at the
step of training before it. Bars of sanity checks are ignored, and those of Lightning's evaluations, which
show what training had. What Lightning's N counts depends on its version: before 2.0 it includes validation
batches.
Source: tqdm; Lightning-AI/pytorch-lightning callbacks/progress/{tqdm,rich}_progress.py; OpenRLHF/OpenRLHF
openrlhf/trainer; NVIDIA/NeMo 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lensd_log.formats.pairs import Values
from lensd_log.line.numbers import number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State
from lensd_log.names import sounds_like_metric

_COUNT = r"\d{1,12}(?:\.\d{1,2})?[kM]?"  # tqdm's unit_scale: `1.02k`
_BAR = re.compile(
    r"(?P<title>[^%|\r]{0,200}?)\s{0,8}(?:\d{1,3}%(?:\|[^|]{0,400}\|)?|\|[^|]{0,400}\|)\s{1,8}"
    rf"(?P<at>{_COUNT})/(?P<length>{_COUNT}|\?)"
    r" \[(?:\d{1,6} days?, )?[\d:]{4,12}<(?:\d{1,6} days?, )?[\d:?]{1,12},\s{0,4}[^,\]\s]{1,20}"
    r"(?:, (?P<pairs>[^\r]{1,4000}))?\]"
)
_ENDLESS = re.compile(
    r"(?P<title>[^%|\r]{0,200}?)(?<![\w.])(?P<at>\d{1,12})(?P<length>)it \[(?:\d{1,6} days?, )?[\d:]{4,12},"
    r"\s{0,4}[^,\]\s]{1,20}(?:, (?P<pairs>[^\r]{1,4000}))?\]"
)
_RICH = re.compile(
    r"(?P<title>[^━╸╺\r]{0,100})[━╸╺][━╸╺ ]{1,400}(?P<at>\d{1,12})/(?P<length>\d{1,12})\s{1,4}"
    r"[\d:]{4,12} • [\d:-]{4,12}\s{1,4}[\d.]{1,12}(?:it/s|s/it)\s{0,4}(?P<pairs>.{0,4000})\Z"
)
_OUTER = re.compile(r"\s*[Ee]pochs?:?\s*\Z")  # the bar of epochs around that of steps
_EPOCH = re.compile(r"[Ee]poch:?\s?\[?(\d{1,9})(?:/(\d{1,9}))?\]?")
_IDLE = re.compile(
    r"sanity|valid|val\b|eval|test|predict|download|load|map\b|tokeniz|generat|sampling", re.IGNORECASE
)
_EVALUATION = re.compile(
    r"(?<![A-Za-z])(?:val|valid|validat\w{1,6}|eval|evaluat\w{1,6}|test|testing)(?![A-Za-z])", re.IGNORECASE
)
_NAMES = 200
_PAIR = re.compile(
    r"(?<![\w@/.-])([A-Za-z_][\w./@()-]{0,80}(?: [A-Za-z][\w./]{0,40}){0,2})(?:=|: {0,2})"
    r"([^\s,=:]{1,40})(?=[,:\s]|\Z)"
)


def _parse(entry: Entry, state: State) -> Parsed:
    if len(entry.states) == 1:
        states: Iterator[str] = iter((entry.text,))
    else:
        states = iter(entry.states)
    records: list[Record] = []
    ours = False
    for text in states:
        match = _match(text)
        if match is None:
            continue
        metrics = Values(_pairs(match))
        epoch = _EPOCH.search(match["title"])
        if _IDLE.search(match["title"]) and not (epoch and match["title"].startswith(epoch[0])):
            state["evaluated"] = ours = True
            records += _evaluation(match, metrics, state)
            continue
        if not metrics.values:
            if _OUTER.match(match["title"]):
                state["outer"] = _whole(match["at"])
            # A bar without numbers belongs to something else (a data loader, Trainer).
            ours = ours or "bars" in state
            continue
        ours = True
        step = _step(match, epoch, state)
        values = _new(metrics.values, step, _whole(match["at"]), state)
        if records and records[-1].step == step:
            values = list({**dict(records.pop().values), **dict(values)}.items())
        lightning = "v_num" in (match["pairs"] or "") or "━" in text
        records.append(
            Record(values, step, units=metrics.units, framework="lightning" if lightning else None)
        )
    return [record for record in records if record.values] if ours else None


def _evaluation(match: re.Match[str], metrics: Values, state: State) -> list[Record]:
    """What the bar of an evaluation shows when it is full. `ended`: what the one before showed."""
    word = _EVALUATION.search(match["title"])
    lightning = "━" in match[0] or "v_num" in (match["pairs"] or "")
    if word is None or lightning or "step" not in state or match["at"] != match["length"]:
        return []
    values, shown = dict(metrics.values), state.get("shown", {})
    ended, state["ended"] = state.get("ended"), [state["step"], values]
    if not values or ended == state["ended"]:
        return []
    pairs = [(f"{word[0]}/{name}" if name in shown else name, value) for name, value in values.items()]
    return [Record(pairs, state["step"], evaluation=True)]


def _match(text: str) -> re.Match[str] | None:
    if ("%" in text or "|" in text) and (match := _BAR.match(text)):
        return match
    if "━" in text:
        return _RICH.match(text)
    return _ENDLESS.match(text) if "it [" in text else None


def _new(values: Sequence[tuple[str, float]], step: int, at: int, state: State) -> list[tuple[str, float]]:
    """The values that say something about this step.

    State `shown`: the last ones, by name, as text. `late`: names that the first bar had not. `step`: of them.
    """
    if step < state.get("step", 0):
        for name in ("shown", "late", "evaluated"):
            state.pop(name, None)
    shown = state.setdefault("shown", {})
    is_first, stays = not shown, step == state.get("step") or not at
    evaluated = state.pop("evaluated", False)
    reported: list[str] = state.setdefault("given", [])  # at this step
    if step != state.get("step"):
        reported.clear()
    sanity_check = is_first and evaluated and not at
    new = []
    for name, value in values:
        if name not in shown and (sanity_check or not is_first) and len(shown) < _NAMES:
            state.setdefault("late", []).append(name)
        if shown.get(name) != repr(value):
            if len(shown) < _NAMES or name in shown:
                shown[name] = repr(value)
            if sanity_check:
                continue
        elif (not evaluated or name in reported) if name in state.get("late", ()) else stays:
            continue
        if name in state.get("late", ()):
            reported.append(name)
        new.append((name, value))
    state["step"] = step
    return new


def _pairs(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    for pair in _PAIR.finditer(match["title"]):
        if sounds_like_metric(pair[1]):
            yield pair[1], pair[2]
    for pair in _PAIR.finditer(match["pairs"] or ""):
        yield pair[1], pair[2]


def _whole(printed: str) -> int:
    """`1.02k` is 1020."""
    if printed.isdecimal():
        return int(printed)
    return round(float(printed.rstrip("kM")) * {"k": 1000, "M": 1_000_000}.get(printed[-1], 1))


def _step(match: re.Match[str], epoch: re.Match[str] | None, state: State) -> int:
    """The step through the run.

    State `bars`: epoch, place and length of the bar before. `before`: steps of bars that started over in the
    same epoch.
    """
    at, length = _whole(match["at"]), _whole(match["length"].rstrip("?") or "0")
    for name, printed in _PAIR.findall(match["pairs"] or ""):
        if (
            name == "global_step"
            and (global_step := number(printed)) is not None
            and abs(global_step) < 1 << 62
        ):
            state.update(bars=[0, at, length], first=0, before=0)
            return int(global_step)
    number_of = int(epoch[1]) if epoch else state.get("outer", 0)
    # `Epoch 0:` and `Epoch 0/9` count from 0, `Epoch 1/10` and `[1/1]` from 1: the first one seen decides.
    # Lightning's `Epoch 1:` is the second one, of a run that was resumed; so is that of its Rich bar.
    last = state.get("bars")
    if last is None or number_of < last[0]:
        rich = "•" in match[0] and "v_num" in (match["pairs"] or "")
        lightning = rich or (epoch is not None and epoch.start() == 0 and not epoch[2])
        counts_from_one = number_of == 1 and not lightning
        state["first"], state["before"] = (1 if counts_from_one else 0), 0
    elif number_of == last[0] and (at < last[1] or state.get("over")) and last[1] >= last[2] - 1:
        if not at:  # Lightning sets the bar back before it names the next epoch
            state["over"] = True
            return int(state["before"] + max(0, number_of - state["first"]) * length + (last[2] or last[1]))
        state["before"] += last[2] or last[1]
    elif number_of > last[0] and not length:
        state["before"] += last[1]
    state.pop("over", None)
    state["bars"] = [number_of, at, length]
    step: int = state["before"] + max(0, number_of - state["first"]) * length + at
    return step


PROGRESS_BARS = LogFormat("progress-bar", _parse, needles=("it/s", "s/it", "%|"))
