"""The facts of a Runicorn run folder: `meta.json`, `status.json`, `summary.json` beside `events.jsonl`.

As Runicorn SDK 0.5.3 and 0.7.2 write them. Times are epoch seconds. A companion that is missing, half written
or no JSON object gives no facts this time.
"""

from __future__ import annotations

import math
import os

import msgspec

from lensd.model import Fact

COMPANIONS = ("meta.json", "status.json", "summary.json")
_LIMIT = 1 << 20


def facts(folder: str) -> dict[str, Fact]:
    """The facts of the companions in `folder`, under the names that lensd serves."""
    meta, status, summary = (_load(os.path.join(folder, name)) for name in COMPANIONS)
    result: dict[str, Fact] = {}
    if meta or status:
        result["run_dir"] = folder
    for name, key in (
        ("created_at", "created_at"), ("alias", "alias"), ("host", "hostname"), ("pid", "pid"),
        ("runicorn.path", "path"), ("python", "python"), ("platform", "platform"),
    ):  # fmt: skip
        _put(result, name, meta.get(key))
    if "runicorn.path" not in result and isinstance(meta.get("project"), str):  # SDK up to 0.5.3
        _put(result, "runicorn.path", "/".join(str(meta[k]) for k in ("project", "name") if meta.get(k)))
    tags = meta.get("tags")
    if isinstance(tags, list) and tags:
        result["tags"] = msgspec.json.encode([str(tag) for tag in tags]).decode()
    for name in ("status", "started_at", "ended_at", "exit_reason"):
        _put(result, name, status.get(name))
    for name, value in summary.items():
        _put(result, name if name in ("best_metric_name", "best_metric_value") else f"summary.{name}", value)
    return result


def process_facts(folder: str) -> dict[str, Fact]:
    """The facts of the `status.json` that `lensd run` writes beside `logs.txt`."""
    status = _load(os.path.join(folder, "status.json"))
    result: dict[str, Fact] = {}
    _put(result, "process_status", status.get("status"))
    for name in ("exit_code", "started_at", "ended_at", "pid", "command", "host"):
        _put(result, name, status.get(name))
    if result and "ended_at" not in result:  # it runs again
        result |= {"exit_code": None, "ended_at": None}
    return result


def _put(result: dict[str, Fact], name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        return
    if isinstance(value, (str, int, float, bool)):
        result[name] = value


def _load(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            value = msgspec.json.decode(file.read(_LIMIT))
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
