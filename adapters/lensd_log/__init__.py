"""Reads text logs, JSON lines and CSV: one adapter, many dialects."""

from lensd_log.adapter import LogAdapter

__all__ = ["LogAdapter"]
