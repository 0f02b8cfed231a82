"""Keeps points, facts and cursors in one SQLite file: `Store.apply` is the only way in, `Store.read` out."""

from lensd.store.database import Store
from lensd.store.errors import ReadTimeout, StoreError
from lensd.store.reader import Reader

__all__ = ["ReadTimeout", "Reader", "Store", "StoreError"]
