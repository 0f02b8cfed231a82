"""Messages of the daemon on stderr: safe for a terminal, and few, whatever clients and files do."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable

#: Control characters, line ends and whatever changes the direction of text; halves of UTF-16 pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
#: Loggers whose warnings are caused by clients, or repeated as long as nothing can be stored.
_OFTEN = ("aiohttp", "asyncio", "lensd.api", "lensd.unstored")
_PERIOD_S = 60.0
_MOST_KINDS = 1000


def shown(text: str) -> str:
    """Text that came from outside, with everything escaped that a terminal would obey."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def log_to_stderr(level: str) -> None:
    """Send the messages of libraries and of the daemon to stderr, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Safe("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(OncePerMinute())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Safe(logging.Formatter):
    """One line for each record; tracebacks have theirs."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = shown(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        return "\n".join(map(shown, super().formatException(ei).split("\n")))  # type: ignore[arg-type]


class OncePerMinute(logging.Filter):
    """Lets one warning of each frequent kind pass in a minute, and counts the others.

    clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[object, ...], tuple[float, int]] = {}  # (when it passed, how many since)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(_OFTEN):
            return True
        error = record.exc_info[1] if record.exc_info else None
        kind = (record.name, record.levelno, record.msg if error is None else type(error))
        if isinstance(error, OSError) or type(error).__module__.startswith("aiohttp"):
            # A connection that broke, or a request that is none: where in the code says nothing.
            record.msg, record.args = f"{record.getMessage()}: {' '.join(str(error).split())}", ()
            record.exc_info = record.exc_text = None
        passed, more = self._kinds.get(kind, (float("-inf"), 0))
        now = self._clock()
        if now - passed < _PERIOD_S:
            self._kinds[kind] = passed, more + 1
            return False
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        if more:
            record.msg, record.args = f"{record.getMessage()} (and {more} more like it)", ()
        return True
