"""Whether rows with named fields, JSON lines and CSV, are records of training or examples of a data set.

Most rows show it by themselves: a counter, and a name that training gives to a measurement. A counter that
counts other things as well (`batch`, `epochs`), or names that say nothing, leave a doubt: such rows wait
until the counter has counted for some rows. Text is an example of a data set, whatever stands beside it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from lensd_log.line.numbers import number
from lensd_log.line.record import Record, State
from lensd_log.names import COUNTERS, EPOCH_KEYS, STEP_KEYS, TIME_KEYS, sounds_like_metric
from lensd_log.structure.words import is_strong

_LONG = 200  # characters of a text
#: Names of the texts of a data set.
_TEXTS = frozenset(
    "text question questions answer answers prompt prompts response responses sentence sentence1 sentence2"
    " premise hypothesis instruction completion chosen rejected conversation conversations context document"
    " passage query title review comment content caption abstract article summary_text input output inputs"
    " outputs".split()
)
#: Names of strings that loggers write beside numbers.
_LOGGED = frozenset(
    "level levelname severity msg message event logger name stream host hostname pod user run run_id run_name"
    " experiment exp exp_name project phase split mode stage type kind tag job trial group eta log status"
    " device elapsed_time remaining_time caller module".split()
) | {*TIME_KEYS}
_WEAK = frozenset(("batch", "epochs", "steps", "num_steps", "update"))
_ROWS = 8  # that wait for the proof
_MOST_FALLS = 1
_WIDEST = 64  # values of a row that waits
_SHAPES = 16
_LARGEST = 10**9  # more are seconds since 1970


def is_example(row: Mapping[str, object]) -> bool:
    """Does it hold a text?"""
    return any(
        isinstance(value, str)
        and ((len(value) > _LONG and value[0] not in "[{(") or name.lower() in _TEXTS)
        and name.lower() not in _LOGGED
        and number(value) is None
        for name, value in row.items()
    )


def speaks_alone(row: Mapping[str, object], names: Iterable[str]) -> bool:
    """Is a row without a counter a record of training? names: of its numbers."""
    return any(map(is_strong, names)) and not any(
        isinstance(value, str) and name.lower() not in _LOGGED and number(value) is None
        for name, value in row.items()
    )


@lru_cache(1024)
def is_sure(names: tuple[str, ...]) -> bool:
    """Do these names, a counter among them, leave no doubt?"""
    counts = any((name in STEP_KEYS or name in EPOCH_KEYS) and name not in _WEAK for name in names)
    return counts and speaks(names)


@lru_cache(1024)
def speaks(names: tuple[str, ...]) -> bool:
    """Is one of the names a metric's?"""
    return any((sounds_like_metric(name) or is_strong(name)) and name not in COUNTERS for name in names)


def proved(record: Record, names: tuple[str, ...], state: State) -> Sequence[Record]:
    """The record of a row with a step and those of rows that waited, if they are proved by now.

    names: of the fields of the row, which tell its shape.
    """
    shapes = state.setdefault("shapes", {})
    key = f"{zlib.crc32(repr(names).encode('utf-8', 'surrogatepass')):08x}"
    shape = shapes.setdefault(key, [])
    if isinstance(shape, bool):
        return (record,) if shape else ()
    if len(shapes) > _SHAPES:
        del shapes[next(iter(shapes))]
    fields = record.ts_ms, record.printed_time, record.elapsed_s, record.target, record.framework
    units = dict(record.units) if record.units else None
    values = [list(pair) for pair in record.values]
    shape.append([record.step, speaks(names), values, *fields, units, record.epoch])
    if len(shape) < _ROWS and len(record.values) <= _WIDEST and _falls(shape) <= _MOST_FALLS:
        return ()
    shapes[key] = _counts(shape, _MOST_FALLS)
    return [_record(row) for row in shape] if shapes[key] else ()


def rested(state: State) -> Sequence[Record]:
    """The records of rows that wait, where nothing speaks against them. They wait no more."""
    records: list[Record] = []
    for key, shape in state.get("shapes", {}).items():
        if isinstance(shape, list) and _counts(shape, 0):
            records += map(_record, shape)
            state["shapes"][key] = True
    return records


def _record(row: list[Any]) -> Record:
    step, _, values, ts_ms, printed_time, elapsed_s, target, framework, units, *epoch = row
    return Record(
        [(name, value) for name, value in values],
        step,
        ts_ms=ts_ms,
        printed_time=printed_time,
        elapsed_s=elapsed_s,
        target=target,
        framework=framework,
        units=units,
        epoch=epoch[0] if epoch else None,
    )


def _place(row: list[Any]) -> tuple[int, int]:
    """The epoch, if there is one, and the step."""
    return (0 if len(row) < 10 or row[9] is None else int(row[9])), int(row[0])


def _falls(shape: list[list[Any]]) -> int:
    """How often the counter did not count. Beside the name of a metric it may stand still. A counter of
    batches begins again where it began: a fall to anywhere else is worse."""
    places = [(_place(row), row[1]) for row in shape]
    first = places[0][0]
    return sum(
        1 + (a > b != first) for (a, _), (b, speaks) in pairwise(places) if a > b or (a == b and not speaks)
    )


def _counts(shape: list[list[Any]], most_falls: int) -> bool:
    first, last = shape[0], shape[-1]
    moves = _place(last) > _place(first) or (len(shape) == 1 and bool(first[1]))
    return moves and _falls(shape) <= most_falls and last[0] < _LARGEST
