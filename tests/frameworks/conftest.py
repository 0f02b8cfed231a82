"""The table of the framework runs, printed at their end."""

from __future__ import annotations

import pytest

from tests.frameworks.runs import TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("points right of points written")
        for title, way, right, written in TABLE:
            terminalreporter.write_line(f"{right:5} of {written:5}  {title}: {way}")
