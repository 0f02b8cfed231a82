"""Keeps points, facts and cursors in one SQLite file. Batches go in by `Store.apply`; `Store.read` reads."""

from lensd.store.database import Store
from lensd.store.errors import ReadTimeout, StoreError
from lensd.store.reader import Reader

__all__ = ["ReadTimeout", "Reader", "Store", "StoreError"]
