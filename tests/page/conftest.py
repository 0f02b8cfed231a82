"""A real browser. Errors of the page, and requests to anybody but the daemon, fail a test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Route, expect, sync_playwright

from tests.conftest import DATA, Daemon

_LONG_AGO_S = 1_767_600_000  # UTC seconds
OpenPage = Callable[..., Page]
#: After so long a test has failed; what works takes as long as the machine is busy.
_HANG_MS = 60_000
expect.set_options(timeout=_HANG_MS)
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: What a browser says by itself of answers that a test provokes.
_EXPECTED = ("Failed to load resource", "WebSocket connection to")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for a file of tests. Its event loop runs all the while, so no other test may need one."""
    path = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    assert path, (
        "the tests of the page need chromium on PATH: apt-get install chromium, or your system's package"
    )
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield program
        program.close()


@pytest.fixture(scope="session")
def sample_runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the sample runs, as old as they are. In a checkout of a moment ago those without timestamps
    would be running, and the page shows at first what runs."""
    folder = shutil.copytree(DATA / "runs", tmp_path_factory.mktemp("sample") / "runs")
    for path in Path(folder).rglob("*"):
        os.utime(path, (_LONG_AGO_S, _LONG_AGO_S))
    return str(folder)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open the page of a daemon and wait until everything is drawn. hash: what stands behind `#`."""
    problems: list[str] = []
    contexts = []

    def open_one(daemon: Daemon, hash: str = "", **context: Any) -> Page:
        options: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US"}
        made = browser.new_context(**options | context)
        made.set_default_timeout(_HANG_MS)
        contexts.append(made)

        def only_to_the_daemon(route: Route) -> None:
            if route.request.url.startswith(daemon.base):
                # A test that takes its own route back lets go on what both of them hold.
                with contextlib.suppress(Error):
                    route.continue_()
            else:
                problems.append(f"request to {route.request.url}")
                route.abort()

        def listen(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(_EXPECTED):
                problems.append(message.text)

        made.route("**/*", only_to_the_daemon)
        page = made.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", listen)
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.goto(f"{daemon.base}/{hash}")
        page.evaluate("window.lensd.idle()")
        return page

    yield open_one
    for made in contexts:
        made.unroute_all(behavior="ignoreErrors")  # what is under way ends with the page
        made.close()
    assert not problems
