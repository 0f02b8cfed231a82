"""Whether a shape of lines is training: what it has shown so far, and the rules of proof.

A shape proves itself by what it says (names of metrics, counters of training) together with a step that
moves and values that change. Near lines that have proved themselves less is enough: this is the door.
"""

from __future__ import annotations

import re
import zlib

from lensd_log.line.record import State
from lensd_log.structure.sketch import FRACTION, Sketch
from lensd_log.structure.words import (
    BATCH,
    COUNTERS,
    EPOCH,
    GLOBAL,
    ROUND,
    SAMPLES,
    STEP,
    TRAIN,
    TRAINING_COUNTERS,
    TRAINING_WORDS,
    is_metric,
    is_strong,
)

NEAR = 40  # lines
_SHARE = 50  # of this many lines one must be proved for the door to be open
_COVERED = 0.4
_COVERED_NEAR = 0.25
_PAIRS_ALONE = 0.9
_MOSTLY = 0.75
_COMPARED = 4  # values of two lines
#: Counters of machines, and those that any program has beside one value.
_MACHINES = frozenset("cycle trial game games sweep".split())
_ANY_PROGRAM = frozenset("step steps round rounds timestep timesteps frames i it".split())
STEADY = 5  # lines
_STEADY_WHOLE = 3  # that hold nothing but counters and values
#: Machines, robots and games count as well, and print fractions that change.
_OF_A_RUN = COUNTERS.keys() - frozenset("cycle trial game games frames".split())
_RESULT = 0.6
_SETTING = re.compile(r"(?i)\blr\b|rate|_lr|lr_")
_MANY_VALUES = 4
_CONSTANT = 7  # rises of a counter after which values need not have changed
_WATCHED = 128  # lines of a shape after which its counter is not looked at any more


def new_shape(line: int) -> State:
    """n: lines. first, last: steps. up, down: how often it rose and fell. changed: so did some value."""
    return {"n": 0, "first": None, "last": None, "up": 0, "down": 0, "changed": False, "seen": line}


def observe(shape: State, step: int | None, values: list[float], epoch: int | None) -> None:
    """Add one line to what is known of its shape."""
    shape["n"] += 1
    if not shape.get("proved") and step is not None:
        before, shape["before"] = shape.get("before", ()), values[:_COMPARED]
        changes = sum(a != b and not (a % 1 == b % 1 == 0) for a, b in zip(before, values, strict=False))
        shape["moved"] = shape.get("moved", 0) + (changes >= min(2, len(values)))
    elif "before" in shape:
        del shape["before"], shape["moved"]
    if step is not None:
        observe_step(shape, step, epoch)
    if not shape["changed"]:
        checksum = zlib.crc32(repr(values).encode())
        shape["changed"] = shape.setdefault("values", checksum) != checksum
        if shape["changed"]:
            del shape["values"]


def observe_step(shape: State, step: int, epoch: int | None) -> None:
    """Add the step of a line that is counted already."""
    last = shape["last"]
    if last is None:
        shape["first"] = step
    elif step > last:
        shape["up"] += 1
    elif step < last and epoch == shape.get("epoch"):
        shape["down"] += 1
    shape["last"], shape["epoch"] = step, epoch


def is_watched(shape: State) -> bool:
    """Does another line of this shape still change what is thought of it?"""
    return not shape.get("proved") or shape["n"] < _WATCHED


def moves(shape: State) -> bool:
    """Do the steps of this shape rise, as those of training do, and its values change?"""
    if shape["n"] < 2 or not shape["up"] or not (shape["changed"] or shape["up"] >= _CONSTANT):
        return False
    if shape["n"] >= 2 * _MANY_VALUES and shape["last"] is not None:
        spread = abs(shape["last"] - shape["first"]) + shape["up"] - shape["down"]
        if shape["down"] * 8 > shape["n"] and spread * 10 < shape["n"]:
            return False
    return bool(shape["down"] * 2 <= shape["up"])


def proves_itself(shape: State, sketch: Sketch, headed: bool) -> bool:
    """The first stage: the shape speaks for itself, or consists of pairs below a header that does."""
    speaks = speaks_of_training(sketch) or (headed and _is_measured_pair(sketch))
    return (speaks and moves(shape)) or behaves(shape, sketch)


def behaves(shape: State, sketch: Sketch) -> bool:
    """Do a counter that only rises and several fractions that change all the time show a run, whatever their
    names are? A single one has to sound like a metric."""
    n, kinds = shape["n"], (GLOBAL, STEP, EPOCH, ROUND, SAMPLES)
    counter = sketch.count(*kinds)
    worded = counter is not None and counter.word in COUNTERS and counter.word not in _MACHINES
    worded = worded and not sketch.code
    enough = _STEADY_WHOLE if sketch.whole else STEADY
    steady = n >= enough and not shape["down"] and shape["up"] == n - 1
    if not (worded and steady and shape.get("moved", 0) >= 0.8 * (n - 1)):
        return False
    if counter is None or not _rates(sketch):
        return counter is not None
    single = sketch.values[0]
    sounds = counter.word not in _ANY_PROGRAM and is_metric(single.name)
    return sounds and len(sketch.values) == 1 and not single.unit


def _rates(sketch: Sketch) -> bool:
    """Are the values times, sizes and speeds, as any program prints them?"""
    return sum(not value.unit for value in sketch.values) < 2


def speaks_of_training(sketch: Sketch) -> bool:
    """Do names and counters of this line say that it is a record of training?"""
    if is_strong_record(sketch):
        return True
    if counts_training(sketch) and any(is_metric(value.name) for value in sketch.values):
        return True
    phases = {value.phase == TRAIN for value in sketch.values if value.phase is not None}
    if len(phases) == 2 and sketch.counts:  # both training and validation
        return True
    within = sketch.count(STEP, BATCH, FRACTION)
    return (
        sketch.count(EPOCH) is not None
        and within is not None
        and within.word != "["
        and len(sketch.values) > 0
    )


def counts_training(sketch: Sketch) -> bool:
    """Does it count what only training counts?"""
    return any(
        (count.kind in TRAINING_COUNTERS and count.word != "[") or count.word in TRAINING_WORDS
        for count in sketch.counts
    )


def is_strong_record(sketch: Sketch) -> bool:
    """Is one of the names one that only training uses?"""
    return any(is_strong(value.name) for value in sketch.values)


def is_plain_record(sketch: Sketch, near: bool) -> bool:
    """Is one line enough: a counter, and names of metrics that signs join to most of what is printed?"""
    if sketch.code or not any((value.signed or near) and is_strong(value.name) for value in sketch.values):
        return False
    if not sketch.counts and not near:
        return False
    if all(count.word == "[" or count.kind == FRACTION for count in sketch.counts) and not near:
        return False
    if not near and any(count.kind == BATCH for count in sketch.counts) and sketch.count(EPOCH) is None:
        return False
    least = _COVERED_NEAR if near and is_worded(sketch) else _COVERED
    return sketch.covered >= least or len(sketch.values) >= _MANY_VALUES


def is_pairs_alone(shape: State, sketch: Sketch, stamped: bool, titled: bool) -> bool:
    """Do lines of pairs alone make records without a step: `loss=0.3` behind a time, again and again, or
    below a title such as `Eval results`? Behind a time and below a title, any name does."""
    if sketch.code or not _are_pairs(sketch):
        return False
    is_announced = stamped or titled or shape["n"] >= STEADY
    return (is_announced and is_strong_record(sketch)) or (stamped and titled)


def _is_measured_pair(sketch: Sketch) -> bool:
    fractions = any(not value.value.is_integer() for value in sketch.values)
    return not sketch.counts and fractions and _are_pairs(sketch) and not sketch.code


def _are_pairs(sketch: Sketch, least: float = _PAIRS_ALONE) -> bool:
    return all(value.signed for value in sketch.values) and sketch.covered >= least


def is_result(sketch: Sketch) -> bool:
    """Is it what an evaluation has found (`mrr: 0.31, hits@1: 0.22`): pairs with names that only training
    uses, and no setting of it?"""
    measured = [value for value in sketch.values if is_strong(value.name) and not _SETTING.search(value.name)]
    pairs = all(value.signed for value in sketch.values) and sketch.covered >= _RESULT
    return pairs and len(measured) > 1 and not sketch.counts and not sketch.code


def _is_measured(name: str) -> bool:
    return is_metric(name) or "metric" in name.lower()


def is_worded(sketch: Sketch) -> bool:
    """Does a word of counting stand beside a counter of the line?"""
    return any(count.word not in ("", "[") for count in sketch.counts)


def passes_door(
    shape: State, sketch: Sketch, near: bool, near_known: bool, titled: bool, agrees: bool
) -> bool:
    """The second stage, beside lines that are proved: a moving counter and pairs are enough.

    near_known: beside those of a known log format, which has its own lines without a counter, the line must
    print it, or be nothing but pairs. titled: below a title such as `Eval results`. agrees: the line prints
    the step that training has just reached."""
    agrees = agrees and shape.get("moved", 0) > 0 and not any(value.unit for value in sketch.values)
    worded = is_worded(sketch) and any(_is_measured(value.name) for value in sketch.values)
    moved = shape.get("moved", 0) > 1 and not _rates(sketch)  # so there are two values at least
    pairs = _are_pairs(sketch) if titled else moved and _are_pairs(sketch, _MOSTLY)
    if near_known and not (worded or pairs or agrees):
        return False
    if not near or sketch.code or shape["n"] < 2 or not shape["up"] or shape["down"] * 2 > shape["up"]:
        return False
    named = any(value.signed or is_metric(value.name) for value in sketch.values)
    return shape["changed"] and (named or agrees or sketch.covered >= _PAIRS_ALONE)


def is_near(state: State, line: int) -> bool:
    """Do proved lines stand close by, and are there enough of them in the file?"""
    if line - state.get("proved_line", -NEAR - 1) > NEAR:
        return False
    enough: bool = state.get("proved", 0) * _SHARE >= line
    return enough or is_near_known(state, line)


def is_near_known(state: State, line: int) -> bool:
    """Does a log format that is known read lines close by?"""
    return bool(line - state.get("known_line", -NEAR - 1) <= NEAR)
