"""What `lensd run` needs beside the command: a running daemon, and the environment of the command."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lensd.config import data_folder
from lensd.hook import install

#: The SDK refuses keys of fewer than 40 characters before it asks the server.
_ANY_KEY = "lensd" + "0" * 35
_START_SECONDS = 20.0


class DaemonError(Exception):
    """No daemon could be started; the message is one sentence."""


@dataclass
class DaemonProcess:
    """A daemon at `url`. process: set if this program started it."""

    url: str
    process: subprocess.Popen[bytes] | None = None


def is_lensd(url: str, token: str | None = None, timeout: float = 2.0) -> bool:
    """Whether a lensd answers at the URL."""
    request = urllib.request.Request(url + "/openapi.json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return bool(json.load(answer)["info"]["title"] == "lensd")
    except urllib.error.HTTPError as error:
        with error:
            return error.code in (401, 403) and b"token" in error.read(1000)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def start(
    folder: Path,
    port: int,
    db: str | None,
    environment: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
) -> DaemonProcess:
    """Start a daemon in the background that serves `folder`; on a free port if `port` is taken.

    Its output goes to a file in the user's data folder. clock: in seconds. Raises DaemonError.
    """
    home = Path(data_folder(environment))
    home.mkdir(parents=True, exist_ok=True)
    # With a workload in its environment, the daemon would put every run of the folder into that one. Commands
    # on this machine need no certificate, and would have to be told of one.
    not_for_it = ("WORKLOAD_UID", "LENSD_WORKLOAD", "LENSD_TLS_CERT", "LENSD_TLS_KEY")
    daemon_environment = {name: value for name, value in environment.items() if name not in not_for_it}
    printed = ""
    for try_port in dict.fromkeys((port, 0)):
        output = home / f"run-{os.getpid()}-{try_port}.out"
        command = [sys.executable, "-m", "lensd", "serve", str(folder), "--port", str(try_port)]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*command, *(["--db", db] if db else [])],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=daemon_environment,
                start_new_session=True,  # Ctrl-C is for the command
            )
        until = clock() + _START_SECONDS
        while clock() < until:
            ended = process.poll() is not None
            printed = output.read_text(errors="replace")
            listening = re.search(r"^lensd listening on (http://\S+)$", printed, re.MULTILINE)
            if listening:
                return DaemonProcess(listening[1].rstrip("/"), process)
            if ended:
                break
            time.sleep(0.05)
        else:
            process.terminate()
        if "cannot listen" not in printed:
            break
    last = next((line for line in reversed(printed.splitlines()) if line.strip()), "it printed nothing")
    raise DaemonError(f"no daemon could be started: {last.removeprefix('lensd: ')}")


def stop(server: DaemonProcess) -> None:
    """Stop a daemon that was started here; it reads its inputs to their ends first."""
    if server.process is not None and server.process.poll() is None:
        server.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(timeout=15)


def child_environment(environment: Mapping[str, str], url: str, workload: str, wandb: str) -> dict[str, str]:
    """The environment of the command.

    wandb: `hook` (metrics are reported as they are logged), `online` (the daemon replaces the W&B server) or
    `off`.
    """
    child = {
        name: value
        for name, value in environment.items()
        if name not in ("LENSD_WORKLOAD", "LENSD_WORKLOAD_UID")
    }
    child["WORKLOAD_UID"] = workload
    child.setdefault("PYTHONUNBUFFERED", "1")  # Python buffers what it prints into a pipe
    if wandb == "hook":
        inject = str(install.source() / "inject")
        child["PYTHONPATH"] = os.pathsep.join(filter(None, (inject, environment.get("PYTHONPATH"))))
        child["LENSD_API_BASE_URL"] = url + "/api/v1"
    elif wandb == "online":
        child["WANDB_BASE_URL"] = f"{url}/for/{quote(workload, safe='')}"
        child["WANDB_API_KEY"] = environment.get("WANDB_API_KEY") or _ANY_KEY
        child["WANDB_MODE"] = "online"
        child.setdefault("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")  # seconds; the default is 15
        child["LENSD_WANDB_HOOK"] = "false"  # an installed hook would report it again
    else:
        child["LENSD_WANDB_HOOK"] = "false"
    return child
