"""The bodies that are posted: detections and metrics, as primus-lens-wandb-exporter 0.2.0 sends them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .spool_format import Row, encode

DETECTION = "/wandb/detection"
METRICS = "/wandb/metrics"

#: Beginnings of entries by metric name: encoding a name once saves a third of the time.
_entry_starts: dict[str, str] = {}
_MOST_NAMES = 50_000


def posts(
    identity: Mapping[str, Any], detections: Iterable[Mapping[str, Any]], rows: list[Row]
) -> Iterator[tuple[str, bytes]]:
    """Path and body of each post for these detections and rows of one run."""
    for detection in detections:
        yield DETECTION, encode(detection)
    if rows:
        yield METRICS, metrics_body(identity, rows, time.time())


def metrics_body(identity: Mapping[str, Any], rows: Iterable[Row], now_s: float) -> bytes:
    """The body of `/wandb/metrics` for rows of one run.

    Built from strings because encoding holds the GIL, and `json.dumps` of the same entries takes three times
    as long.
    """
    entries: list[str] = []
    for step, wall_s, values in rows:
        end = f',"step":{step},"timestamp":{wall_s!r},"tags":{{}}}}'
        for name, value in values.items():
            start = _entry_starts.get(name)
            if start is None:
                if len(_entry_starts) >= _MOST_NAMES:
                    _entry_starts.clear()
                start = _entry_starts[name] = f'{{"name":{json.dumps(name)},"value":'
            # `repr` of a finite float is valid JSON; json.dumps writes NaN and Infinity as Python reads them.
            number = repr(value) if value - value == 0.0 else json.dumps(value)
            entries.append(start + number + end)
    head = {"source": "wandb"}
    for key in ("workload_uid", "pod_uid", "pod_name", "run_id"):
        head[key] = identity.get(key, "")
    text = f'{json.dumps(head)[:-1]},"metrics":[{",".join(entries)}],"timestamp":{now_s!r}}}'
    return text.encode("utf-8", "surrogatepass")
