"""Sends what processes that have ended could not: used by the next hook, and by `lensd hook flush`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from .delivery import Delivery, Outcome, parse_lines
from .settings import HookSettings, spool_folder
from .spool import Leftover, open_leftover, spool_files
from .work import spooled_bodies

_BYTES = 1 << 20
_FEWEST_BYTES = 1 << 12
_LOOK_AGAIN = 30.0


class Leftovers:
    """The spools below one folder whose processes have ended. Sent piece by piece; each file goes when all
    of it was taken. A piece that is sent twice changes nothing at the server."""

    def __init__(self, folder: str, delivery: Delivery) -> None:
        self.folder = folder
        self.rows = 0  # log calls taken
        self.refused = 0  # log calls that the server will never take
        self.files = 0  # files emptied
        self.problem = ""
        self._delivery = delivery
        self._open: Leftover | None = None
        self._paths: Iterator[str] = iter(())
        self._look_at = 0.0
        self._bytes = _BYTES

    def send_one(self, timeout: float) -> bool:
        """Send one piece. False: there is nothing to send, or the server is away (then `problem` says
        why)."""
        self.problem = ""
        left = self._open or self._next()
        if left is None:
            return False
        self._open = left
        lines, offset = left.read(self._bytes)
        if not lines:
            self._open = None
            left.remove()
            self.files += 1
            return True
        evidence, rows, _ = parse_lines(lines)
        for path, body in spooled_bodies(left.identity, evidence, rows):
            outcome, why = self._delivery.post(path, body, timeout)
            if outcome is Outcome.SMALLER and self._bytes > _FEWEST_BYTES:
                self._bytes //= 2
                return True
            if outcome is Outcome.LATER:
                self.problem = f"{self._delivery.base_url} {why}"
                self._open = None
                left.close()
                return False
            if outcome is not Outcome.TAKEN:
                self.problem = f"{self._delivery.base_url} {why}"
                self.refused += len(rows)
                rows = []
        self.rows += len(rows)
        left.confirm(offset)
        return True

    def _next(self) -> Leftover | None:
        if time.monotonic() >= self._look_at:
            self._paths = spool_files(self.folder)
            self._look_at = time.monotonic() + _LOOK_AGAIN
        return next((left for path in self._paths if (left := open_leftover(path)) is not None), None)


def flush(folder: str, delivery: Delivery, timeout: float) -> Leftovers:
    """Send everything below a folder; ends early when the server is away."""
    left = Leftovers(folder, delivery)
    while left.send_one(timeout):
        pass
    return left


def main() -> int:
    """`python -m lensd_hook.leftovers [FOLDER]`, for an environment that has the hook only."""
    settings = HookSettings.read()
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(spool_folder()))
    done = flush(folder, Delivery(settings.base_url, settings.token), settings.timeout)
    print(f"{done.rows} log calls of {done.files} files sent", file=sys.stderr)  # noqa: T201 - a command
    if done.problem:
        print(f"not all: {done.problem}", file=sys.stderr)  # noqa: T201 - a command
    return 1 if done.problem else 0


if __name__ == "__main__":
    raise SystemExit(main())
