"""What a read of a `.wandb` file needs to know of the reads before it."""

from __future__ import annotations

import msgspec

from lensd.wandb.axes import Axes


class WandbCursor(msgspec.Struct, array_like=True):
    """A `BinaryCursor`. The order of the fields is that of stored cursors.

    offset: where a chunk begins. lost: the chunk belongs to a record whose beginning was damaged. step: of
    the last row of history. partial: console output whose line has not ended, by stream.
    """

    version: int = 2  # 1: steps were always the count of log calls
    offset: int = 0
    lost: bool = False
    head: bytes = b""
    trace: bytes = b""
    step: int | None = None
    partial: dict[str, str] = {}
    ts_ms: float | None = None
    start_ms: float | None = None
    axes: Axes = msgspec.field(default_factory=Axes)
