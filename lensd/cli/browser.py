"""`lensd serve --open`: the page in a browser, or how to reach it from the machine that has one."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def open_page(
    address: str,
    say: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
    opener: Callable[[str], bool] = webbrowser.open,
) -> None:
    """Open the page of the daemon at `address`. Where no browser is, say how to reach it from elsewhere."""
    parts = urlsplit(address)
    host = _ALL_ADDRESSES.get(parts.hostname or "", parts.hostname or "127.0.0.1")
    shown = f"[{host}]" if ":" in host else host
    page = f"{parts.scheme}://{shown}:{parts.port}/"
    if _has_browser(environ):
        try:
            if opener(page):
                return
        except webbrowser.Error:
            pass
    if "SSH_CONNECTION" in environ:
        forward = _ssh_command(f"{parts.port}:{shown}:{parts.port}", environ)
        say(
            f"no browser here: on your machine, run `{forward}` and open {parts.scheme}://127.0.0.1:{parts.port}/"
        )
    else:
        say(f"no browser here: open {page} in one")


def _has_browser(environ: Mapping[str, str]) -> bool:
    """Whether a browser with a window can be started. BROWSER counts: editors set it in remote shells."""
    if environ.get("BROWSER") or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return True
    return "SSH_CONNECTION" not in environ and sys.platform in ("darwin", "win32")


def _ssh_command(forward: str, environ: Mapping[str, str]) -> str:
    """The command that forwards a port. SSH_CONNECTION is the client's address and port, then ours."""
    connection = environ["SSH_CONNECTION"].split()
    host, port = (connection[2], connection[3]) if len(connection) == 4 else ("HOST", "22")
    user = environ.get("USER") or environ.get("LOGNAME")
    other_port = "" if port == "22" else f"-p {port} "
    return f"ssh -N -L {forward} {other_port}{user + '@' if user else ''}{host}"
