"""Sends the spools that ended processes left behind, for the next hook and for `lensd hook flush`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from .bodies import posts
from .client import ApiClient, Outcome
from .settings import HookSettings, spool_folder
from .spool import Leftover, open_leftover, spool_files
from .spool_format import decode_lines

_MOST_BYTES = 1 << 20
_FEWEST_BYTES = 1 << 12
_SECONDS_BETWEEN_SEARCHES = 30.0


class Leftovers:
    """The spools below one folder whose processes have ended.

    They are sent part by part, and each file is deleted once all of it was sent. A part that is sent twice
    changes nothing at the server.

    accepted and rejected: log calls that the server accepted, and those it never will. files: spool files
    sent completely. problem: why the last part could not be sent, or "".
    """

    def __init__(self, folder: str, client: ApiClient) -> None:
        self.folder = folder
        self.accepted = 0
        self.rejected = 0
        self.files = 0
        self.problem = ""
        self._client = client
        self._current: Leftover | None = None
        self._paths: Iterator[str] = iter(())
        self._search_at = 0.0
        self._most_bytes = _MOST_BYTES

    def send_part(self, timeout: float) -> bool:
        """Send one part. False: there is nothing to send, or the server is away (`problem` says why)."""
        self.problem = ""
        leftover = self._current = self._current or self._next()
        if leftover is None:
            return False
        lines, offset = leftover.read(self._most_bytes)
        if not lines:
            self._current = None
            leftover.remove()
            self.files += 1
            return True
        detections, rows = decode_lines(lines)
        for path, body in posts(leftover.identity, detections, rows):
            outcome, reason = self._client.post(path, body, timeout)
            if outcome is Outcome.TOO_LARGE and self._most_bytes > _FEWEST_BYTES:
                self._most_bytes //= 2
                return True
            if outcome is Outcome.ACCEPTED:
                continue
            self.problem = f"{self._client.base_url} {reason}"
            if outcome is Outcome.RETRY:
                self._current = None
                leftover.close()
                return False
            self.rejected += len(rows)
            rows = []
        self.accepted += len(rows)
        leftover.confirm(offset)
        return True

    def _next(self) -> Leftover | None:
        if time.monotonic() >= self._search_at:
            self._paths = spool_files(self.folder)
            self._search_at = time.monotonic() + _SECONDS_BETWEEN_SEARCHES
        return next(filter(None, map(open_leftover, self._paths)), None)


def flush(folder: str, client: ApiClient, timeout: float) -> Leftovers:
    """Send everything below a folder; stops early when the server is away."""
    leftovers = Leftovers(folder, client)
    while leftovers.send_part(timeout):
        pass
    return leftovers


def main() -> int:
    """`python -m lensd_hook.leftovers [FOLDER]`, for an environment that has the hook and not lensd."""
    settings = HookSettings.read()
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(spool_folder()))
    sent = flush(folder, ApiClient(settings.base_url, settings.token), settings.timeout)
    print(f"{sent.accepted} log calls of {sent.files} files sent", file=sys.stderr)  # noqa: T201 - a command
    if sent.problem:
        print(f"not everything was sent: {sent.problem}", file=sys.stderr)  # noqa: T201 - a command
    return 1 if sent.problem else 0


if __name__ == "__main__":
    raise SystemExit(main())
