"""The facts of a Runicorn run folder: `meta.json`, `status.json`, `summary.json` beside `events.jsonl`.

Seen with Runicorn SDK 0.5.3 and 0.7.2. Times are epoch seconds. A companion that is missing, half written
or no JSON object tells nothing this time.
"""

from __future__ import annotations

import math
import os

import msgspec

from lensd.model import Fact

COMPANIONS = ("meta.json", "status.json", "summary.json")
_LIMIT = 1 << 20


def facts(folder: str) -> dict[str, Fact]:
    """What the companions in `folder` tell, under the names that lensd serves."""
    meta, status, summary = (_load(os.path.join(folder, name)) for name in COMPANIONS)
    found: dict[str, Fact] = {}
    if meta or status:
        found["run_dir"] = folder
    for name, key in (
        ("created_at", "created_at"), ("alias", "alias"), ("hostname", "hostname"), ("pid", "pid"),
        ("runicorn.path", "path"), ("python", "python"), ("platform", "platform"),
    ):  # fmt: skip
        _put(found, name, meta.get(key))
    if "runicorn.path" not in found and isinstance(meta.get("project"), str):  # SDK up to 0.5.3
        _put(found, "runicorn.path", "/".join(str(meta[k]) for k in ("project", "name") if meta.get(k)))
    tags = meta.get("tags")
    if isinstance(tags, list) and tags:
        found["tags"] = ",".join(str(tag) for tag in tags)
    for name in ("status", "started_at", "ended_at", "exit_reason"):
        _put(found, name, status.get(name))
    for name, value in summary.items():
        _put(found, name if name in ("best_metric_name", "best_metric_value") else f"summary.{name}", value)
    return found


def _put(found: dict[str, Fact], name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        return
    if isinstance(value, (str, int, float, bool)):
        found[name] = value


def _load(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            value = msgspec.json.decode(file.read(_LIMIT))
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
