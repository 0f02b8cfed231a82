"""What a run printed at a step, and last."""

from __future__ import annotations

from lensd.query.log_pages import LogPage, LogQuestion, NumberedLine, log_page
from lensd.query.logs import LogSource, log_source
from lensd.store import Reader
from lensd.tail import is_progress_bar, strip_ansi

LAST, AROUND = 30, 7
_CHARACTERS = 500  # of a line


class RunLog:
    """The log of a run; it has no lines where its file is gone and the database holds no console output."""

    def __init__(self, reader: Reader, uid: str) -> None:
        self._reader = reader
        self._source: LogSource | None = log_source(reader, uid, None)

    def last(self) -> list[str]:
        """The last LAST lines without progress bars."""
        page = self._page(LogQuestion(2 * LAST))
        lines = page.lines + ([NumberedLine(page.last + 1, page.unfinished)] if page.unfinished else [])
        return [_shown(line) for line in lines if not _is_bar(line)][-LAST:]

    def around(self, step: int) -> list[str]:
        """At most AROUND lines around the one that prints a step, each behind its number."""
        page = self._page(LogQuestion(AROUND, at_step=step))
        if page.at is None:
            return []
        width = len(str(page.lines[-1].n)) if page.lines else 0
        return [f"{line.n:{width}} {_shown(line)}" for line in page.lines if not _is_bar(line)]

    def _page(self, question: LogQuestion) -> LogPage:
        if self._source is None:
            return LogPage(None, 0, None, [])
        return log_page(self._reader, self._source, question)


def _is_bar(line: NumberedLine) -> bool:
    return is_progress_bar(line.text.encode())


def _shown(line: NumberedLine) -> str:
    text = strip_ansi(line.text.encode()).decode("utf-8", "replace").expandtabs()[:_CHARACTERS]
    return "".join(character for character in text if character.isprintable()).rstrip()
