"""The seam to the fast path, which reads the lines of a block together.

`lensd_log/fast` is optional: without it the same lines are read one by one, to the same points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lensd.model import Ints
from lensd_log.placement import Placement


@dataclass(slots=True)
class BlockResult:
    """What became of a block. starts: [lines] where each line begins in it, in bytes. taken: how many of the
    lines were read; fewer than all when the budget was spent. matched, unparsed: how many of these were."""

    starts: Ints
    taken: int
    matched: int
    unparsed: int


class BlockReader(Protocol):
    """Reads blocks. Whatever it keeps from one block to the next is a cache."""

    def read(
        self, body: bytes, placement: Placement, *, strict: bool, spent: Callable[[], bool]
    ) -> BlockResult | None:
        """Place the lines of `body`, each with its newline, and move the cursor of `placement` on.

        None, with nothing done, for a block that has to be read line by line. strict: every line is meant to
        be a record. spent: whether the budget is.
        """
