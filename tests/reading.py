"""Reads a folder with real adapters into a real store, as the daemon would."""

from __future__ import annotations

from pathlib import Path

from lensd.adapter import Adapter
from lensd.ingest.poller import AdapterSource, Poller
from lensd.store import Store


def read_all(folder: Path, *adapters: Adapter, workload: str | None = None) -> Store:
    """A store in a file beside the folder, with everything below the folder read to its end."""
    store = Store.open(str(folder.parent / f"{folder.name}.db"))
    sources = [AdapterSource(adapter, [str(folder)], workload=workload) for adapter in adapters]
    Poller(store, sources).drain(final=True)
    return store
