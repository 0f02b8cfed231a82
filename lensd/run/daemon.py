"""What `lensd run` sets up around a command: a daemon that answers, and the environment the command gets."""

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

from lensd.hook import install

#: Any 40 characters do for the SDK, which refuses shorter keys before it asks the server.
_ANY_KEY = "lensd" + "0" * 35
_START_SECONDS = 20.0


class DaemonError(Exception):
    """No daemon could be reached or started; the message is one sentence."""


@dataclass
class DaemonProcess:
    """A daemon at `url`; `process` where this program has started it."""

    url: str
    process: subprocess.Popen[bytes] | None = None


def is_lensd(url: str, token: str | None = None, timeout: float = 2.0) -> bool:
    """Whether a lensd answers there."""
    request = urllib.request.Request(url + "/openapi.json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return bool(json.load(answer)["info"]["title"] == "lensd")
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 401 and b"Unauthorized" in error.read(1000)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def start(
    folder: Path,
    port: int,
    db: str | None,
    environment: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
) -> DaemonProcess:
    """Start a daemon that serves `folder`, in the background and on its own; on a free port where `port` is
    taken.

    What it prints goes into a file of the user's data folder. Raises DaemonError.
    """
    home = Path(environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")) / "lensd"
    home.mkdir(parents=True, exist_ok=True)
    # A daemon that was told a workload would put everything in the folder into it.
    clean = {
        name: value for name, value in environment.items() if name not in ("WORKLOAD_UID", "LENSD_WORKLOAD")
    }
    said = ""
    for each in dict.fromkeys((port, 0)):
        output = home / f"run-{os.getpid()}-{each}.out"
        command = [sys.executable, "-m", "lensd", "serve", str(folder), "--port", str(each)]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*command, *(["--db", db] if db else [])],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=clean,
                start_new_session=True,  # Ctrl-C is for the command
            )
        until = clock() + _START_SECONDS
        while clock() < until:
            ended = process.poll() is not None
            said = output.read_text(errors="replace")
            found = re.search(r"^lensd listening on (http://\S+)$", said, re.MULTILINE)
            if found:
                return DaemonProcess(found[1].rstrip("/"), process)
            if ended:
                break
            time.sleep(0.05)
        else:
            process.terminate()
        if "cannot listen" not in said:
            break
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    raise DaemonError(f"no daemon could be started: {last.removeprefix('lensd: ')}")


def stop(server: DaemonProcess) -> None:
    """End a daemon that was started here, after it has read what is there."""
    if server.process is not None and server.process.poll() is None:
        server.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(timeout=15)


def child_environment(environment: Mapping[str, str], url: str, workload: str, wandb: str) -> dict[str, str]:
    """What the command gets. wandb: `hook` (report as training goes), `online` (the daemon stands in for the
    W&B server), `off` (leave wandb alone)."""
    child = {
        name: value
        for name, value in environment.items()
        if name not in ("LENSD_WORKLOAD", "LENSD_WORKLOAD_UID")
    }
    child["WORKLOAD_UID"] = workload
    child.setdefault("PYTHONUNBUFFERED", "1")  # or a log in a pipe would be minutes late
    if wandb == "hook":
        inject = str(install.source() / "inject")
        child["PYTHONPATH"] = os.pathsep.join(filter(None, (inject, environment.get("PYTHONPATH"))))
        child["LENSD_API_BASE_URL"] = url + "/api/v1"
    elif wandb == "online":
        child["WANDB_BASE_URL"] = f"{url}/for/{quote(workload, safe='')}"
        child["WANDB_API_KEY"] = environment.get("WANDB_API_KEY") or _ANY_KEY
        child["WANDB_MODE"] = "online"
        child.setdefault("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")  # its own is 15 s: not live
        child["LENSD_WANDB_HOOK"] = "false"  # or an installed hook would report everything twice
    else:
        child["LENSD_WANDB_HOOK"] = "false"
    return child
