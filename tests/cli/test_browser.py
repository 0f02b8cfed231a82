"""`lensd serve --open`."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from pathlib import Path

import pytest

from lensd.cli.browser import open_page
from tests.conftest import DATA, StartDaemon

SSH = {"SSH_CONNECTION": "10.0.0.2 50022 10.0.0.9 22", "USER": "ann"}


class Browser:
    """An opener that records what it is asked for."""

    def __init__(self, works: bool = True) -> None:
        self.works, self.opened = works, list[str]()

    def __call__(self, address: str) -> bool:
        self.opened.append(address)
        return self.works


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://0.0.0.0:9000", "http://127.0.0.1:9000/"),
        ("http://[::]:9000", "http://[::1]:9000/"),
    ],
)
def test_the_page_is_opened_at_an_address_that_a_browser_takes(address: str, page: str) -> None:
    browser, lines = Browser(), list[str]()
    open_page(address, lines.append, {"DISPLAY": ":0"}, browser)
    assert (browser.opened, lines) == ([page], [])


@pytest.mark.parametrize("shell", [{"DISPLAY": ":10"}, {"BROWSER": "/editor/open"}])
def test_a_remote_shell_with_a_way_to_a_browser_uses_it(shell: dict[str, str]) -> None:
    browser, lines = Browser(), list[str]()
    open_page("http://127.0.0.1:8080", lines.append, SSH | shell, browser)
    assert browser.opened == ["http://127.0.0.1:8080/"]
    assert lines == []


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        (SSH, "ssh -N -L 8080:127.0.0.1:8080 ann@10.0.0.9"),
        (
            SSH | {"SSH_CONNECTION": "10.0.0.2 50022 10.0.0.9 2222"},
            "ssh -N -L 8080:127.0.0.1:8080 -p 2222 ann@10.0.0.9",
        ),
        ({"SSH_CONNECTION": ""}, "ssh -N -L 8080:127.0.0.1:8080 HOST"),
    ],
)
def test_over_ssh_the_command_that_forwards_the_port_is_printed(
    environ: dict[str, str], command: str
) -> None:
    browser, lines = Browser(), list[str]()
    open_page("http://127.0.0.1:8080", lines.append, environ, browser)
    assert browser.opened == []
    assert lines == [f"no browser here: on your machine, run `{command}` and open http://127.0.0.1:8080/"]


def test_a_browser_that_does_not_start_is_no_error() -> None:
    def broken(address: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    for opener in (Browser(works=False), broken):
        lines = list[str]()
        open_page("http://127.0.0.1:8080", lines.append, {"DISPLAY": ":0"}, opener)
        assert lines == ["no browser here: open http://127.0.0.1:8080/ in one"]


@pytest.mark.slow
def test_serve_opens_the_page(serve: StartDaemon, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.settimeout(30)
        script = tmp_path / "browser"
        script.write_text(
            f"#!{sys.executable}\nimport socket, sys\n"
            f"socket.create_connection({opened.getsockname()}).sendall(sys.argv[1].encode())\n"
        )
        script.chmod(0o755)
        daemon = serve(
            str(DATA / "runs"),
            *("--db", str(tmp_path / "x.db"), "--once", "--open"),
            env=os.environ | {"BROWSER": f"{script} %s"},
        )
        connection, _ = opened.accept()
        with connection:
            assert connection.recv(1000).decode() == f"{daemon.base}/"
