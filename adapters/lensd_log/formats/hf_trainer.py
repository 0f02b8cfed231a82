"""Hugging Face Trainer and its relatives (TRL, ms-swift, axolotl, LLaMA-Factory): dict lines between
progress bars.

    \\r 13%|#3   | 20/150 [00:01<00:14,  9.10it/s]\\r      \\r{'loss': '3.422', 'learning_rate': '0.0043',
    'epoch': '0.04'}

The dict holds no step. `Trainer` prints it through the training bar, which is redrawn right after: the next
bar of the training's length has the exact step, the one before may be stale. So a dict waits in the cursor
for that bar (one whose line has not ended will do). Without bars, the step is `global_step/max_steps` where
printed (ms-swift), else it follows from the logging steps and epochs of the header, else it is the ordinal.
`epoch` is a counter. Evaluation has bars of its own length. Numbers may be quoted strings (transformers 5).
Source: huggingface/transformers trainer_callback.py `ProgressCallback`, `PrinterCallback`; tqdm.
"""

from __future__ import annotations

import re

from lensd_log.formats.origins import origin
from lensd_log.line.numbers import number
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_BAR = re.compile(
    r"\s{0,4}\d{1,3}%\|[^|]{0,200}\| {0,12}(\d{1,12})/(\d{1,12}) \[(?:(\d{1,6}):)?(\d\d):(\d\d)<"
)
_DICT = re.compile(r"\{'[^{}]{1,16000}\}")
_ITEM = re.compile(r"'([^'\n]{1,200})': ?(?:'([^'\n]{0,100})'|([^\s,'{}\[\]()]{1,60}))(?=[,}])")
_TOTAL = re.compile(r"Total optimization steps\s?=\s?([\d,]{1,16})")
_EPOCHS = re.compile(r"Num Epochs\s?=\s?([\d,]{1,16})")
_KNOWN = frozenset("epoch loss eval_loss train_runtime".split())  # a dict of settings has none of them
_COUNTERS = frozenset("epoch step global_step max_steps total_flos".split())
_WAITING = 64
#: In the state: steps of dicts whose bars are in another file (see `beside`), and the last step of all.
WRITES, OF = "writes", "of"


def _parse(entry: Entry, state: State) -> Parsed:
    records: list[Record] = []
    matched = False
    for text in entry.states:
        if "{'" in text:
            for match in _DICT.finditer(text):
                items = {m[1]: m[2] if m[3] is None else m[3] for m in _ITEM.finditer(match[0])}
                if _KNOWN.isdisjoint(items):
                    continue
                matched = True
                if "framework" not in state and (framework := origin(items)):
                    state["framework"] = framework
                records += _log(items, state)
        elif "%|" in text and (bar := _BAR.match(text)):
            matched = True
            records += _draw(bar, state)
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
    for record in records:
        record.framework = state.get("framework")
    return records if matched else None


def _peek(entry: Entry, state: State) -> list[Record]:
    """Read the bars of a line that has not ended: only those that complete a waiting dict."""
    records: list[Record] = []
    for text in entry.states:
        if not state.get("waiting"):
            break
        if "{'" in text:
            break
        if "%|" in text and (bar := _BAR.match(text)):
            records += _draw(bar, state, only_complete=True)
    return records


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
    waiting = state.setdefault("waiting", [])
    flushed: list[Record] = []
    if state.get("bars"):
        if waiting and "total" not in state and not evaluation and not summary:
            # No bar came after the first dict: the bars belong to something else, training has none.
            del state["bars"]
            flushed = [_without_bar(pairs, late, None, state) for pairs, late in state.pop("waiting")]
            return [*flushed, _without_bar(values, False, epoch, state)]
        if len(waiting) >= _WAITING or (waiting and not evaluation and not summary):
            flushed = _flush(state)
        state.setdefault("waiting", []).append([values, evaluation or summary])
        return flushed
    return [_without_bar(values, evaluation or summary, epoch, state)]


def _without_bar(
    values: list[tuple[str, float]], evaluation: bool, epoch: float | None, state: State
) -> Record:
    if evaluation:
        return Record(values, state.get("last"), evaluation=True)
    total, epochs = state.get("total"), state.get("epochs")
    if total and epochs and epoch is not None:
        step = round(epoch / epochs * total)
        every = state.get("every") or _rounded(step)
        if every:
            state["every"] = every
            step = state["last"] = state.get("last", 0) + every
        return Record(values, step, target=total)
    return Record(values)


def _rounded(step: int) -> int:
    """The logging interval behind a first step that was computed from a rounded epoch."""
    for every in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000):
        if abs(step - every) <= max(1, every * 0.15):
            return every
    return 0


def _draw(bar: re.Match[str], state: State, only_complete: bool = False) -> list[Record]:
    n, total = int(bar[1]), int(bar[2])
    elapsed = int(bar[3] or 0) * 3600 + int(bar[4]) * 60 + int(bar[5])
    waiting = state.get("waiting")
    records: list[Record] = []
    if waiting:
        # The bar after a training dict is the training bar; nothing else redraws there.
        if not state.get("told") and any(not evaluation for _, evaluation in waiting):
            state["total"] = total
        if total == state.get("total"):
            records = _complete(n, elapsed, state)
    if only_complete:
        return records
    state["bars"] = True
    if total == state.get("total"):
        state["n"], state["elapsed"] = n, elapsed
    return records


def _complete(n: int, elapsed: int, state: State) -> list[Record]:
    records = []
    for values, evaluation in state.pop("waiting", []):
        pairs = [(name, float(value)) for name, value in values]
        target = None if evaluation else state.get("total")
        records.append(Record(pairs, n, evaluation, elapsed_s=float(elapsed), target=target))
    last = state.get("last")
    if last is not None and n > last:
        state["every"] = n - last
    state["last"] = n
    return records


def _flush(state: State) -> list[Record]:
    """Give dicts that no bar followed: at the next logging step, or at the bar before."""
    waiting = state.get("waiting")
    if not waiting:
        return []
    n = int(state.get("n", 0))
    if any(not evaluation for _, evaluation in waiting) and "last" in state and n <= state["last"]:
        n = state["last"] + state.get("every", 1)
    return _complete(n, int(state.get("elapsed", 0)), state)


HF_TRAINER = LogFormat(
    "hf-trainer",
    _parse,
    needles=("{'", "%|", "***** Running training", "Total optimization steps", "Num Epochs"),
    framework="huggingface",
    peek=_peek,
    rest=_flush,
    columns=re.compile(r"\{'"),
)
