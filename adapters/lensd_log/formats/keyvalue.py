"""`key=value` and `key: value` lines of home-made training loops, logfmt and the like.

    step 10/600 | loss: 0.215909 | grad_norm: 0.4753 | lr: 1.000e-02
    eval at step 100: val_loss=0.145555
    Epoch 3/10, loss=1.9667, acc=0.1248

Generic: a line is read only if it holds a step (or begins as an evaluation) and one of its names sounds like
a metric. What looks like source code is never read. `epoch e, batch i/n` is `(e-1)*n + i`.
"""

from __future__ import annotations

import re

from lensd_log.formats.epochs import step_in_run
from lensd_log.formats.names import COUNTERS, sounds_like_metric
from lensd_log.line.numbers import NUMBER, quantity, to_float
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_LONGEST = 2000
_NAMES = 256
_CODE = re.compile(r"[{}\"'`;\\]|==|\+=|->|\b(?:def|return|lambda|import|self|print)\b")
_GLOBAL = re.compile(
    r"(?<![\w.])(?:global[_ ]?steps?|num_updates)[ :=]{1,4}(\d{1,15})(?!\w|\.\d)", re.IGNORECASE
)
_STEP = re.compile(
    r"(?<![\w.])(?:step|iteration|iters?)\b[ :=#\[(]{0,8}(\d{1,15})(?!\w|\.\d)"
    r"(?: {0,12}(?:/|of) {0,12}(\d{1,15}))?",
    re.IGNORECASE,
)
_BATCH = re.compile(r"(?<![\w.])batch\b[ :=#\[(]{0,4}(\d{1,12}) ?/ ?(\d{1,12})(?![\w.])", re.IGNORECASE)
_EPOCH = re.compile(
    r"(?<![\w.])epoch\b[ :=#\[(]{0,4}(\d{1,9})(?!\w|\.\d)(?: ?(?:/|of) ?(\d{1,9}))?", re.IGNORECASE
)
_EVAL = re.compile(r"\W{0,4}(eval|evaluation|valid|validation|val|test|dev)(?:[\s_:=]|\b)", re.IGNORECASE)
# Between pairs. A comma inside 1,234 divides nothing.
_FIELDS = re.compile(r"[|;\t]|\]\s?\[|,(?!\d{3}(?!\d))| - |(?<![:=\s])\s{2,}")
_FIELD = re.compile(
    r"\s*([A-Za-z_@][\w./@()%-]{0,63}(?: [\w./@()%-]{1,40}){0,3})"
    r"\s?[:=] {0,16}(\S{1,40}(?: \S{1,12})?)\s*\Z"
)
_WORDED = re.compile(rf"\s*([A-Za-z][\w.-]{{0,40}}) ({NUMBER})\s*\Z")
_PAIR = re.compile(
    r"(?<![^\s,(\[:])([A-Za-z_@][\w./@%-]{0,63}) ?[:=] {0,16}"
    rf"({NUMBER}(?:[A-Za-zµ%/]{{1,12}})?)(?=[\s,()\]]|\Z)"
)


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if (
        not entry.complete
        or len(text) > _LONGEST
        or ("=" not in text and ":" not in text)
        or _CODE.search(text)
    ):
        return None
    step = _GLOBAL.search(text) or _STEP.search(text)
    epoch = _EPOCH.search(text)
    evaluation = _EVAL.match(text)
    if step is None and epoch is None and evaluation is None:
        return None
    values = _pairs(text)
    if not any(sounds_like_metric(name) for name, _ in values):
        return None
    at, target = _place(text, step, epoch, state)
    if evaluation:
        target = None
    elif at is None and epoch and state.get("names"):
        # An epoch's summary among lines that count steps.
        return (Record(values, None, evaluation=True),)
    if at is None and not state.get("names"):
        return None
    # An evaluation that prints the very names of training keeps apart: `Test: loss=1.1` is `Test/loss`.
    if evaluation:
        trained = state.get("names", ())
        values = [(f"{evaluation[1]}/{name}" if name in trained else name, value) for name, value in values]
    else:
        names = state.setdefault("names", [])
        names += [name for name, _ in values if name not in names][: _NAMES - len(names)]
    return (Record(values, at, evaluation=evaluation is not None, target=target),)


def _place(
    text: str, step: re.Match[str] | None, epoch: re.Match[str] | None, state: State
) -> tuple[int | None, int | None]:
    """The step of a line and the last step to come, if the line has them."""
    batch = _BATCH.search(text) if step is None else None
    found = step or batch
    if found is None:
        if epoch is None or "stepped" in state:
            return None, None
        return int(epoch[1]), int(epoch[2]) if epoch[2] else None
    state["stepped"] = True
    at = int(found[1])
    if step is not None and step.re is _GLOBAL:
        return at, None
    length = int(found[2]) if found[2] else None
    if epoch is None:
        return at, length
    each_epoch = batch is not None or (length is not None and epoch[2] is not None)
    at = step_in_run(at, length, int(epoch[1]), state, each_epoch=each_epoch)
    if each_epoch:
        return at, length * int(epoch[2]) if length and epoch[2] else None
    return at, length


def _pairs(text: str) -> list[tuple[str, float]]:
    found: dict[str, float] = {}
    for field in _FIELDS.split(text):
        part = field.strip().lstrip("[").rstrip("]")
        worded = _WORDED.match(part)
        if worded and sounds_like_metric(worded[1]):
            found.setdefault(worded[1], to_float(worded[2]))
            continue
        whole = _FIELD.match(part)
        if whole and not _is_counter(whole[1]):
            value = quantity(whole[2])
            if value is not None and not _STEP.search(whole[1]):
                found.setdefault(whole[1], value)
                continue
        for pair in _PAIR.finditer(part):
            if not _is_counter(pair[1]):
                value = quantity(pair[2])
                if value is not None:
                    found.setdefault(pair[1], value)
    return list(found.items())


def _is_counter(name: str) -> bool:
    name = name.lower()
    return (
        name in COUNTERS
        or name.startswith(("step ", "epoch ", "iter ", "iteration ", "batch ", "eta"))
        or name.endswith((" step", " steps", "_steps", " epoch", " epochs", " iteration", " iterations"))
    )


KEY_VALUE = LogFormat("key-value", _parse, generic=True)
