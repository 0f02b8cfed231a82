"""Read a `.wandb` file in one of three ways; prints seconds and values."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path


def records(path: str) -> list[bytes]:
    """The framing is the same for all: it is not what is compared."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "adapters"))
    from lensd_wandb.frames import frames

    data = Path(path).read_bytes()
    return frames(data[7:], 7, len(data)).records


def classes(path: str) -> tuple[float, int]:
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    began = time.perf_counter()
    store = DataStore()
    store.open_for_scan(path)
    columns: dict[str, list[float]] = {}
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                key = item.key or ".".join(item.nested_key)
                columns.setdefault(key, []).append(json.loads(item.value_json))
    seconds = time.perf_counter() - began
    return seconds, sum(len(values) for key, values in columns.items() if not key.startswith("_"))


def plain(path: str) -> tuple[float, int]:
    records(path)  # loads what is needed
    from lensd_wandb.items import items
    from lensd_wandb.records import HISTORY, content

    began = time.perf_counter()
    columns: dict[tuple[str, ...], list[float]] = {}
    for record in records(path):
        kind, begin, end = content(record)
        if kind == HISTORY:
            for key, value in items(record, begin, end).items():
                columns.setdefault(key, []).append(value)
    seconds = time.perf_counter() - began
    return seconds, sum(len(values) for key, values in columns.items() if not key[0].startswith("_"))


def lensd(path: str) -> tuple[float, int]:
    records(path)
    from lensd.adapter import Budget
    from lensd.model import Input, Restarts
    from lensd.store import Store
    from lensd_wandb.adapter import WandbAdapter

    with tempfile.TemporaryDirectory() as place:
        store = Store.open(f"{place}/x.db")
        (source,) = store.register(
            [Input("i", "w", "wandb", "wandb", path, path, "", "", restarts=Restarts.NEVER)]
        )
        adapter, cursor, values, began = WandbAdapter(), None, 0, time.perf_counter()
        while True:
            batch = adapter.read(source, cursor, Budget(bytes=16 << 20, points=2 << 20, seconds=5.0))
            values += store.apply(source, batch)
            cursor = batch.cursor
            if not batch.more:
                break
        seconds = time.perf_counter() - began
        store.close()
    return seconds, values


if __name__ == "__main__":
    took, count = {"classes": classes, "plain": plain, "lensd": lensd}[sys.argv[1]](sys.argv[2])
    print(took, count)
