"""Hugging Face Trainer and its relatives (TRL, ms-swift, axolotl, LLaMA-Factory): dict lines between
progress bars.

    \\r 13%|#3   | 19/150 [00:01<00:14,  9.10it/s]\\r      \\r{'loss': '3.422', 'learning_rate': '0.0043',
    'epoch': '0.04'}
    \\r 13%|#3   | 20/150 [00:01<00:14,  9.10it/s]

The dict holds no step. `Trainer` prints it with `tqdm.write`, which blanks the bars, writes, and draws the
bars again: the training bar then stands at the step of the dict. So each dict belongs to one such *gap* in
the bar, and the n-th dict to the n-th gap. The dict lies in its gap if nothing is buffered. If stdout is
buffered, as in a file or pipe, dicts come many gaps later, in bunches; if two pipes were joined, they may
come before. Both wait in the cursor for each other; a bar whose line has not ended will do. Dicts of
evaluations have their gaps too. Bars of evaluations lie below the training bar.

Some logs have lost the blanks. Then a dict belongs to the next bar of the training's length. Without bars,
the step is `global_step/max_steps` where printed (ms-swift), else it follows from the logging steps and
epochs of the header, else it is the ordinal. `epoch` is a counter. Numbers may be quoted strings
(transformers 5).
Source: huggingface/transformers trainer_callback.py `ProgressCallback`, `PrinterCallback`; tqdm std.py
`external_write_mode`.
"""

from __future__ import annotations

import re
from typing import Any

from lensd_log.formats.origins import origin
from lensd_log.line.numbers import number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BAR = re.compile(
    r"\s{0,4}\d{1,3}%\|[^|]{0,200}\| {0,12}(\d{1,12})/(\d{1,12}) \[(?:(\d{1,6}):)?(\d\d):(\d\d)<"
)
_DICT = re.compile(r"\{'[^{}]{1,16000}\}")
#: `Step 10 metrics: {'loss': 3.2}` prints its step: a line of somebody's own.
_COUNTED = re.compile(
    r"(?i)(?:^|[^a-z])(?:step|epoch|iter|iteration|ep|it|batch|update|round|episode)s?[ :=#\[(@]{0,3}\d"
)
_ITEM = re.compile(r"'([^'\n]{1,200})': ?(?:'([^'\n]{0,100})'|([^\s,'{}\[\]()]{1,60}))(?=[,}])")
_TOTAL = re.compile(r"Total optimization steps\s?=\s?([\d,]{1,16})")
_EPOCHS = re.compile(r"Num Epochs\s?=\s?([\d,]{1,16})")
_KNOWN = frozenset("epoch loss eval_loss train_runtime".split())  # a dict of settings has none of them
_COUNTERS = frozenset("epoch step global_step max_steps total_flos".split())
_WAITING = 64
_GAPS = 256
_STRANGE = 3
_ROUNDING = 0.006  # of an epoch, which has two decimals
#: In the state: steps of dicts whose bars are in another file (see `beside`), and the last step of all.
WRITES, OF = "writes", "of"


def _parse(entry: Entry, state: State) -> Parsed:
    records: list[Record] = []
    matched = False
    for index, text in enumerate(entry.states):
        if index in entry.cleared:
            state["gap"] = True
        bar = _BAR.match(text) if "%|" in text else None
        if bar:
            matched = True
            records += _draw(bar, state, below=index in entry.below)
        if "{'" in text:
            for match in _DICT.finditer(text):
                items = {m[1]: m[2] if m[3] is None else m[3] for m in _ITEM.finditer(match[0])}
                if _KNOWN.isdisjoint(items) or _COUNTED.search(
                    text[max(0, match.start() - 200) : match.start()]
                ):
                    continue
                matched = True
                if "framework" not in state and (framework := origin(items)):
                    state["framework"] = framework
                records += _log(items, state)
        elif bar:
            pass
        elif "***** Running training" in text:
            matched = True
            records += _flush(state)
            framework = state.get("framework")
            state.clear()
            if framework:
                state["framework"] = framework
        elif header := _TOTAL.search(text):
            state["total"] = int(header[1].replace(",", ""))
            state["told"] = matched = True
        elif header := _EPOCHS.search(text):
            state["epochs"] = int(header[1].replace(",", ""))
            matched = True
        elif text.strip() and len(entry.states) > 1 and state.get("gap"):
            del state["gap"]  # somebody else's text was written there
    if len(entry.states) in entry.cleared:
        state["gap"] = True
    for record in records:
        record.framework = state.get("framework")
    return records if matched else None


def _peek(entry: Entry, state: State) -> list[Record]:
    """Read the bars of a line that has not ended: only the first, and only if it completes waiting dicts."""
    if not state.get("waiting") or (0 in entry.cleared and "gaps" in state):
        return []
    for index, text in enumerate(entry.states):
        if "{'" in text or (index and index in entry.cleared):
            break
        if "%|" in text and index not in entry.below and (bar := _BAR.match(text)):
            return _draw(bar, state, only_complete=True)
    return []


def _log(items: dict[str, str], state: State) -> list[Record]:
    printed = items.get("global_step/max_steps") or items.get("global_step")
    evaluation = "loss" not in items and any(name.startswith("eval_") for name in items)
    summary = "train_runtime" in items
    values = []
    for name, text in items.items():
        if name in _COUNTERS or name.startswith("global_step"):
            continue
        value = number(text)
        if value is not None:
            values.append((name, value))
    epoch = number(items.get("epoch", ""))
    if printed:
        step, _, total = printed.partition("/")
        if step.isdecimal():
            state["last"] = int(step)
            return [Record(values, int(step), target=int(total) if total.isdecimal() else None)]
    if state.get(WRITES) and not state.get("bars"):
        step = state["last"] = state[WRITES].pop(0)
        late = evaluation or summary
        return [Record(values, step, late, target=None if late else state[OF])]
    if evaluation and "done" in state and "gap" not in state:  # printed after training
        return [Record(values, state.get("n", state.get("last")), evaluation=True)]
    if "bars" not in state:
        return [_without_bar(values, evaluation or summary, epoch, state)]
    records: list[Record] = []
    waiting = state.get("waiting", [])
    if "gaps" not in state and "gap" not in state and waiting and not (evaluation or summary):
        if "total" not in state:
            # No bar came after the first dict: the bars belong to something else, training has none.
            del state["bars"], state["waiting"]
            dicts = [*waiting, [values, False, epoch, False]]
            return [_without_bar(numbers, late, at, state) for numbers, late, at, _ in dicts]
        records = _flush(state)
    if len(waiting) >= _WAITING:
        records = _flush(state)
    state.setdefault("waiting", []).append([values, evaluation or summary, epoch, "gap" in state])
    if summary:
        state["done"] = True
    if "gap" not in state:
        return records + _pair(state)
    # Whether it is alone in the gap shows when the bar or another dict follows.
    state["inside"] = state.get("inside", 0) + 1
    return records + _pair(state) if state["inside"] > 1 else records


def _without_bar(
    values: list[tuple[str, float]], evaluation: bool, epoch: float | None, state: State
) -> Record:
    if evaluation:
        return Record(values, state.get("last"), evaluation=True)
    total, epochs = state.get("total"), state.get("epochs")
    if not (total and epochs and epoch is not None):
        return Record(values)
    step, error = round(epoch / epochs * total), _ROUNDING / epochs * total
    if error >= 0.5:  # the epoch is too coarse: steps are multiples of the first one, which is a round number
        every = state["every"] = state.get("every") or _rounded(step, error)
        after = state.get("last", 0) + every
        if abs(after - step) <= error + every / 2:
            step = after
    state["last"] = step
    return Record(values, step, target=total)


def _rounded(step: int, error: float) -> int:
    """The logging interval behind a first step that was computed from a rounded epoch."""
    for every in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000):
        if abs(step - every) <= error + 1:
            return every
    return step


def _draw(
    bar: re.Match[str], state: State, *, below: bool = False, only_complete: bool = False
) -> list[Record]:
    n, total = int(bar[1]), int(bar[2])
    elapsed = int(bar[3] or 0) * 3600 + int(bar[4]) * 60 + int(bar[5])
    records: list[Record] = []
    if not only_complete:
        state["bars"] = True
        if not below and n < state.get("n", 0) and total == state.get("total"):
            records = _flush(state)  # training began again
            for name in ("n", "last", "gaps", "gap", "pace", "done"):
                state.pop(name, None)
    if below:
        return records
    top = state.get("top")
    if not only_complete:
        state["top"] = total
    if state.get("gap"):
        length = state.get("total", top)
        if total == length if only_complete else _is_training(total, state):
            state["total"] = total
            del state["gap"]
            gaps, waiting = state.setdefault("gaps", []), state.get("waiting", [])
            # A dict alone in a gap belongs there; what earlier gaps held is lost. A bunch is out of a buffer.
            alone = state.pop("inside", 0) == 1 and len(waiting) == 1
            keep = 0 if alone else _GAPS - 1
            del gaps[: max(0, len(gaps) - keep)]
            gaps.append([n, elapsed])
            records += _pair(state)
    elif "gaps" not in state and state.get("waiting"):
        # The bar after a training dict is the training bar; nothing else redraws there.
        if not state.get("told") and any(not late for _, late, _, _ in state["waiting"]):
            state["total"] = total
        if total == state.get("total"):
            records += [_record(dict_, n, elapsed, state) for dict_ in state.pop("waiting")]
    if not only_complete and total == state.get("total"):
        state["n"], state["elapsed"] = n, elapsed
    return records


def _is_training(total: int, state: State) -> bool:
    """Is a bar of this length that of training? It is drawn again after a gap.

    Bars of evaluations may be, too, where the moves of the cursor are lost: the training bar is the one that
    was there before, until it is at its end, or does not come back.
    """
    length = state.get("total")
    if total == length:
        state.pop("strange", None)
        return True
    if state.get("told"):
        return False
    if length is not None and "done" not in state and state.get("n", 0) < length:
        state["strange"] = state.get("strange", 0) + 1
        if state["strange"] < _STRANGE:
            return False
    for name in ("n", "last", "pace", "done", "strange"):
        state.pop(name, None)
    return True


def _pair(state: State) -> list[Record]:
    """Give dicts the steps of their gaps, in order, as far as both are there."""
    waiting, gaps = state.get("waiting", []), state.get("gaps", [])
    records = []
    while waiting and gaps:
        dict_ = waiting[0]
        expected, error = _expected(dict_[2], state)
        n, elapsed = gaps[0]
        if expected is not None and expected - n > error:
            del gaps[0]  # something else was written there
            continue
        del waiting[0]
        if expected is not None and n - expected > error:
            n = round(expected)  # the beginning of the log is not there
        else:
            del gaps[0]
            if dict_[3] and dict_[2]:
                state["pace"] = [n, dict_[2]]
        records.append(_record(dict_, n, elapsed, state))
    if "waiting" in state and not waiting:
        del state["waiting"]
    return records


def _expected(epoch: float | None, state: State) -> tuple[float | None, float]:
    """The step at an epoch, and how far off it may be; None where epochs have no known length."""
    steps, epochs = state.get("pace") or (state.get("total"), state.get("epochs"))
    if epoch is None or not steps or not epochs:
        return None, 0
    step, length = epoch * steps / epochs, steps / epochs
    return step, 2 + 0.05 * step + _ROUNDING * length * (1 + epoch / epochs)


def _record(dict_: list[Any], n: int, elapsed: int, state: State) -> Record:
    values, late = dict_[:2]
    last = state.get("last")
    if not late:
        if last is not None and n > last:
            state["every"] = n - last
        state["last"] = n
    pairs = [(name, float(value)) for name, value in values]
    return Record(pairs, n, late, elapsed_s=float(elapsed), target=None if late else state.get("total"))


def _flush(state: State) -> list[Record]:
    """Give dicts that neither gap nor bar followed: at the step of their epoch, at the next logging step, or
    at the bar before."""
    records = []
    for dict_ in state.pop("waiting", []):
        n, last = state.get("n", 0), state.get("last")
        expected, _ = _expected(dict_[2], state)
        if expected is not None:
            n = round(expected)
        elif not dict_[1] and last is not None and n <= last:
            n = last + state.get("every", 1)
        records.append(_record(dict_, n, state.get("elapsed", 0), state))
    return records


HF_TRAINER = LogFormat(
    "hf-trainer",
    _parse,
    needles=("{'", "%|", "***** Running training", "Total optimization steps", "Num Epochs"),
    framework="huggingface",
    peek=_peek,
    rest=_flush,
    columns=re.compile(r"\{'"),
)
