"""How what was given to `wandb.log` becomes metrics, wherever it comes from: files, pushes, online runs.

Names of nested values are joined with dots (`opt.lr`), as wandb itself shows them. Numbers are metrics;
texts, truth values, lists and media are none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lensd.hook.masking import masked
from lensd.model import Counts, Fact, SeriesBuilder

#: The keys from the outermost to the innermost.
Path = tuple[str, ...]

#: Axis and bookkeeping of the SDK, no metrics.
STEP, TIME, RUNTIME, INTERNAL = "_step", "_timestamp", "_runtime", "_wandb"
AXES = frozenset({STEP, TIME, RUNTIME, INTERNAL})

#: The member that tells a media object (image, histogram, table) from a plain dict.
MEDIA = "_type"
_DEEPEST = 32
_LONGEST_FACT = 1000


def loads(data: bytes | str) -> Any:
    """JSON as the SDK writes it, with `NaN` and `Infinity`. Raises ValueError."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """Everything in a value that is no dict, with its path; nothing of media objects."""
    if not isinstance(value, dict):
        yield path, value
    elif MEDIA not in value and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from leaves((*path, str(key)), inner)


def number_of(value: Any) -> float | None:
    """A metric's value; None for what is none (texts, truth values, lists, nothing)."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return None


def name_of(path: Path) -> str:
    return ".".join(path)


def metrics_of(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The metrics of one row of history, by name."""
    for key, given in row.items():
        if key in AXES:
            continue
        for path, value in leaves((str(key),), given):
            number = number_of(value)
            if number is not None:
                yield name_of(path), number


def add_history(rows: Iterable[str], points: SeriesBuilder, counts: Counts) -> tuple[int, str] | None:
    """Put rows of history (JSON) into columns; those that tell no step or time are counted. The last row by
    its step, and that step."""
    last: tuple[int, str] | None = None
    for text in rows:
        counts.records += 1
        try:
            row = loads(text)
        except (ValueError, TypeError):
            row = None
        if not isinstance(row, dict):
            row = {}
        step, ts_ms = step_of(row.get(STEP)), milliseconds(row.get(TIME))
        if step is None or ts_ms is None:
            counts.unparsed += 1
            continue
        points.next_row()
        before = points.points
        for name, value in metrics_of(row):
            points.add(name, step, ts_ms, value)
        counts.matched += points.points > before
        if last is None or step >= last[0]:
            last = step, text
    return last


def step_of(value: Any) -> int | None:
    """A step as int64; None for what is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 62:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62:
        return value
    return None


def milliseconds(value: Any) -> float | None:
    """`_timestamp`, in seconds since the epoch, as UTC milliseconds; None where it is no time."""
    seconds = number_of(value)
    return seconds * 1000.0 if seconds is not None and 0 < seconds < 1e11 else None


def system_name(key: str) -> str:
    """`system.cpu` and `cpu` are both `system/cpu`."""
    return "system/" + key.removeprefix("system.")


def config_facts(config: Mapping[str, Any]) -> dict[str, Fact]:
    """`config.NAME` for every value of a run's configuration that is no list; secrets are masked. Values may
    be wrapped as the API of W&B has them: `{"lr": {"value": 0.1}}`."""
    plain = {
        str(key): each["value"] if isinstance(each, dict) and "value" in each else each
        for key, each in config.items()
        if not str(key).startswith("_")
    }
    return scalar_facts("config.", masked(plain))


def scalar_facts(prefix: str, values: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts for the scalars in (nested) values."""
    found: dict[str, Fact] = {}
    for key, given in values.items():
        if str(key) in AXES:
            continue
        for path, value in leaves((str(key),), given):
            if isinstance(value, str):
                value = value[:_LONGEST_FACT]
            if isinstance(value, (str, int, float, bool)):
                found[prefix + name_of(path)] = value
    return found
