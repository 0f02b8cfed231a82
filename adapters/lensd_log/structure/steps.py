"""The step of a line, from its counters, from the headers above it, and from what the run printed before.

`At` is where the run is. Its rules are those of `docs/logs.md`: a global step; epoch and place (`e * N + i`);
an epoch alone; a place alone. A line without any counter belongs to the step of the line above.
"""

from __future__ import annotations

from typing import NamedTuple

from lensd_log.line.record import State
from lensd_log.structure.sketch import FRACTION, LEAD, Count, Sketch
from lensd_log.structure.words import BATCH, EPOCH, GLOBAL, ROUND, SAMPLES, STEP, TRAIN

_LARGEST = 1 << 62


class Place(NamedTuple):
    """step: None where nothing tells it. own: the line's own counter tells it. evaluation: it is that of the
    training before. pair: `a/b` of which is not known yet whether it is a batch of an epoch."""

    step: int | None
    own: bool = False
    evaluation: bool = False
    target: int | None = None
    pair: tuple[int, int] | None = None


def place(sketch: Sketch, phase: str | None, at: State) -> Place:
    """Where a line stands. Moves `at` on.

    at: `epoch`, `step` (the last one of training), `total` (what its steps are out of), `counted` (places
    within epochs were seen), `run` (see `_in_run`), `ratio` and `first_pair` (see `_resolve`), `restarts`.
    """
    evaluates = phase is not None and phase != TRAIN
    epoch = sketch.count(EPOCH)
    counter = sketch.count(GLOBAL, STEP, BATCH, FRACTION, LEAD, ROUND, SAMPLES)
    if counter is not None and abs(counter.value) > _LARGEST:
        return Place(None)
    if counter is None:
        return _place_of_epoch(epoch, at)
    if evaluates and _counts_evaluation(counter, at):
        return Place(at["step"], own=epoch is not None, evaluation=True)
    if epoch is not None:
        at["epoch"] = epoch.value
    if sketch.values and not evaluates:
        at["counted"] = True
    if counter.kind == GLOBAL:
        return _moved(counter.value, counter.total, evaluates, at)
    if counter.kind in (ROUND, SAMPLES, LEAD) and epoch is None:
        return _moved(counter.value, counter.total, evaluates, at)
    pair = None if evaluates else _open_pair(sketch, at)
    if pair is not None and at.get("ratio") is None:
        return Place(None, own=True, pair=pair)
    if pair is not None and at["ratio"] == "epoch":
        return place_of_pair(pair, at)
    number, length, anew = _epoch_of(sketch, counter, epoch, at), counter.total, False
    if number is None:
        target = counter.total if counter.kind == STEP else None
        return _moved(_over_restarts(counter, evaluates, at), target, evaluates, at)
    if counter.kind in (BATCH, FRACTION):
        anew = sketch.count(EPOCH) is not None or at.get("epoch") is not None
    elif epoch is not None and epoch.total is not None and counter.total is not None:
        anew = True
    if evaluates:
        return Place(_in_run(counter.value, length, number, dict(at), anew=anew), True, True)
    at["counted"] = True
    step = _in_run(counter.value, length, number, at, anew=anew)
    target = None
    if length is not None and not at["run"]["anew"]:
        target = length
    elif length is not None and epoch is not None and epoch.total is not None:
        target = length * epoch.total
    return _moved(step, target, False, at)


def place_of_pair(pair: tuple[int, int], at: State) -> Place:
    """`Batch 0/100` as batch 100 of epoch 0."""
    at["counted"] = True
    return _moved(_in_run(pair[1], None, pair[0], at, anew=True), None, False, at)


def _place_of_epoch(epoch: Count | None, at: State) -> Place:
    if epoch is None:
        return Place(at.get("step"), own=False, evaluation=True)
    if not at.get("counted"):
        at["epoch"] = epoch.value
        return _moved(epoch.value, epoch.total, False, at)
    at["epoch"] = epoch.value
    return Place(at.get("step"), own=True, evaluation=True)


def _moved(step: int, target: int | None, evaluates: bool, at: State) -> Place:
    if not evaluates or at.get("step") is None:
        at["step"] = step
        if target is not None:
            at["total"] = target
    return Place(step, own=True, evaluation=evaluates, target=None if evaluates else target)


def _counts_evaluation(counter: Count, at: State) -> bool:
    """Is this counter one of the evaluation's own batches?"""
    if at.get("step") is None or counter.kind in (GLOBAL, ROUND, SAMPLES):
        return False
    if counter.kind in (BATCH, FRACTION):
        return True
    return counter.total is not None and at.get("total") not in (None, counter.total)


def _epoch_of(sketch: Sketch, counter: Count, epoch: Count | None, at: State) -> int | None:
    if epoch is not None:
        return epoch.value
    episode = sketch.count(ROUND)
    if episode is not None and episode is not counter and counter.kind == STEP:
        return episode.value
    return at.get("epoch") if counter.kind in (STEP, BATCH, FRACTION) else None


def _over_restarts(counter: Count, evaluates: bool, at: State) -> int:
    """A place that begins anew when it has reached its end, without an epoch printed anywhere, goes on."""
    if counter.kind not in (BATCH, FRACTION) or counter.total is None or evaluates:
        return counter.value
    last, total, before = at.get("restarts", (0, counter.total, 0))
    if total != counter.total:
        before = 0
    elif counter.value < last and last >= total - 1:
        before += total
    at["restarts"] = [counter.value, counter.total, before]
    return int(before) + counter.value


def decides_ratio(sketch: Sketch, phase: str | None, at: State) -> bool:
    """Does this line show whether `a/b` is batch b of epoch a (`at["ratio"]` is then `epoch`) or batch a of b
    (`total`)? The second one that differs does."""
    pair = _open_pair(sketch, at)
    if pair is None or at.get("ratio") is not None or phase not in (None, TRAIN):
        return False
    first = at.setdefault("first_pair", list(pair))
    if list(pair) == first:
        return False
    at["ratio"] = "epoch" if pair[0] == first[0] else "total"
    return True


def leaves_pair_open(sketch: Sketch, at: State) -> bool:
    """Does `a/b` of this line depend on lines to come?"""
    return at.get("ratio") is None and _open_pair(sketch, at) is not None


def deciding(sketch: Sketch) -> list[int]:
    """Which counters of a line `place` looks at: indices, that of the one which moves fastest first."""
    counters = (
        sketch.count(GLOBAL, STEP, BATCH, FRACTION, LEAD, ROUND, SAMPLES),
        sketch.count(EPOCH),
        sketch.count(ROUND),
        sketch.count(BATCH),
    )
    indices = [index for count in counters for index, other in enumerate(sketch.counts) if other is count]
    return list(dict.fromkeys(indices))


def is_printed(sketch: Sketch, phase: str | None, at: State) -> bool:
    """Is the step of such lines what they print, whatever lines stand between them?"""
    counter = sketch.count(GLOBAL, STEP, BATCH, FRACTION, LEAD, ROUND, SAMPLES)
    if counter is None or (phase not in (None, TRAIN) and counter.total is not None):
        return False
    if counter.kind == GLOBAL:
        return True
    if sketch.count(EPOCH) is not None or counter.kind in (BATCH, FRACTION):
        return False
    return counter.kind != STEP or (at.get("epoch") is None and sketch.count(ROUND) is None)


def _open_pair(sketch: Sketch, at: State) -> tuple[int, int] | None:
    """The `a/b` of a batch, where no epoch is printed."""
    batch = sketch.count(BATCH)
    if batch is None or batch.total is None or sketch.count(GLOBAL, STEP, EPOCH) is not None:
        return None
    has_epoch = at.get("epoch") is not None and at.get("ratio") != "epoch"
    return None if has_epoch else (batch.value, batch.total)


def _in_run(value: int, length: int | None, epoch: int, at: State, *, anew: bool) -> int:
    """The step through the run of a place within an epoch. anew: places begin anew with each epoch, which
    otherwise shows when the epoch rises and the place does not. Where the length of an epoch is not printed,
    epochs follow one another by the longest one seen so far."""
    run = dict(at.get("run") or {})
    if not run or epoch < run["epoch"]:
        run = {"first": min(epoch, 1), "epoch": epoch, "place": value, "longest": 0, "offset": 0}
        run.update(anew=anew, zero=0)
    if epoch > run["epoch"]:
        run["longest"] = max(run["longest"], run["place"] + run["zero"])
        if value <= run["place"]:
            run["anew"] = True
        run["offset"] += run["longest"] * (epoch - run["epoch"])
    elif value < run["place"] and not run["anew"]:
        run["offset"] = run["longest"] = 0
    if value == 0:
        run["zero"] = 1
    run["epoch"], run["place"] = epoch, value
    at["run"] = run
    if not run["anew"]:
        run["offset"] = 0 if length else run["offset"]
        return value
    before = (epoch - run["first"]) * length if length else run["offset"]
    return value if abs(before + value) > _LARGEST else int(before) + value
