"""What was logged to wandb, as metrics and facts, whether it comes from files, pushes or online runs.

Names of nested values are joined with dots (`opt.lr`), as wandb itself shows them. Numbers are metrics;
strings, booleans, lists and media are not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lensd.hook.masking import masked

# Exported again, because adapters may not import the hook.
from lensd.hook.values import BOOKKEEPING as BOOKKEEPING
from lensd.hook.values import INTERNAL as INTERNAL
from lensd.hook.values import RUNTIME as RUNTIME
from lensd.hook.values import STEP as STEP
from lensd.hook.values import TIMESTAMP as TIMESTAMP
from lensd.hook.values import is_private as is_private
from lensd.model import Counts, Fact, SeriesBuilder

#: The keys from the outermost to the innermost.
Path = tuple[str, ...]

#: A dict with this key is a media object (image, histogram, table).
MEDIA = "_type"
_DEEPEST = 32
_LONGEST_FACT = 1000


def loads(data: bytes | bytearray | str) -> Any:
    """JSON as the SDK writes it, with `NaN` and `Infinity`. Raises ValueError."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """The values in nested dicts, with their paths; media objects are left out."""
    if not isinstance(value, dict):
        yield path, value
    elif MEDIA not in value and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from leaves((*path, str(key)), inner)


def number_of(value: Any) -> float | None:
    """The value of a metric; None for anything but a number. Booleans are not numbers."""
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
    for key, logged in row.items():
        if key in BOOKKEEPING:
            continue
        for path, value in leaves((str(key),), logged):
            number = number_of(value)
            if number is not None:
                yield name_of(path), number


def add_history(
    rows: Iterable[str], points: SeriesBuilder, counts: Counts, default_ms: float
) -> tuple[int, str] | None:
    """Add rows of history (JSON) to the points; rows without a step are counted as unparsed. One without a
    time has that of the row before, the first `default_ms`.

    Returns the highest step, and the row at that step."""
    last: tuple[int, str] | None = None
    before_ms = default_ms
    for row_json in rows:
        counts.records += 1
        try:
            row = loads(row_json)
        except (ValueError, TypeError):
            row = None
        if not isinstance(row, dict):
            row = {}
        step = step_of(row.get(STEP))
        if step is None:
            counts.unparsed += 1
            continue
        ts_ms = milliseconds(row.get(TIMESTAMP)) or before_ms
        before_ms = ts_ms
        points.next_row()
        before = points.points
        for name, value in metrics_of(row):
            points.add(name, step, ts_ms, value)
        counts.matched += points.points > before
        if last is None or step >= last[0]:
            last = step, row_json
    return last


def step_of(value: Any) -> int | None:
    """A step as int64; None for anything else."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 62:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62:
        return value
    return None


def milliseconds(value: Any) -> float | None:
    """`_timestamp`, in seconds since the epoch, as UTC milliseconds; None for anything else."""
    seconds = number_of(value)
    return seconds * 1000.0 if seconds is not None and 0 < seconds < 1e11 else None


def system_name(key: str) -> str:
    """`system/cpu` for both `system.cpu` and `cpu`."""
    return "system/" + key.removeprefix("system.")


def config_facts(config: Mapping[str, Any], prefix: str = "config.") -> dict[str, Fact]:
    """`config.NAME` for every scalar of a run's configuration; secrets are masked.

    Values may be wrapped, as in the API of W&B: `{"lr": {"value": 0.1}}`."""
    return scalar_facts(prefix, masked(_unwrapped(config)))


def shown_config(text: str) -> str:
    """A configuration as the SDK reported it, a JSON object of wrapped values, with secrets masked."""
    values = masked(_unwrapped(json.loads(text)))
    return json.dumps({name: {"value": value} for name, value in values.items()})


def _unwrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): value["value"] if isinstance(value, dict) and "value" in value else value
        for key, value in config.items()
        if not is_private(str(key))
    }


def scalar_facts(prefix: str, values: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts for the scalars in (nested) values."""
    facts: dict[str, Fact] = {}
    for key, logged in values.items():
        if str(key) in BOOKKEEPING:
            continue
        for path, value in leaves((str(key),), logged):
            if isinstance(value, str):
                value = value[:_LONGEST_FACT]
            if isinstance(value, (str, int, float, bool)):
                facts[prefix + name_of(path)] = value
    return facts


#: What the rows of a push carry beside metrics, as the Lens API documents them.
_PUSH_METADATA = frozenset({"step", "run_id", "source", "history", "created_at", "updated_at"})


def is_metadata(name: str) -> bool:
    """Whether a name of a push, or of the series stored from one, is no metric."""
    return name in _PUSH_METADATA or is_private(name)
