"""Reads text logs, JSON lines and CSV: one adapter, many log formats."""

from lensd_log.adapter import LogAdapter

__all__ = ["LogAdapter"]
