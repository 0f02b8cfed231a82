"""`lensd run`: runs a training command and serves its metrics."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from lensd.cli.exit import USAGE, fail, note
from lensd.discovery import CONTAINERS
from lensd.query.status import of_exit_code
from lensd.run import daemon, tee
from lensd.run.event_files import Gatherer
from lensd.wandb.about import command_line


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--workload", metavar="UID", help="The name of the run (also $WORKLOAD_UID).  [default: program and time]"
)
@click.option("--folder", metavar="DIR", default=".", help="The folder of runs.  [default: the current one]")
@click.option(
    "--port",
    metavar="N",
    type=int,
    default=8080,
    help="The port of the daemon.  [default: 8080]",
)
@click.option("--db", metavar="FILE", help="The database, if a daemon is started.")
@click.option(
    "--wandb", type=click.Choice(["hook", "online", "off"]), default="hook",
    help="How W&B metrics reach lensd. hook: reported as they are logged, in any wandb mode; online: the"
    " daemon replaces the W&B server; off: not at all.  [default: hook]",
)  # fmt: skip
@click.option("--stop", is_flag=True, help="Stop the daemon when the command ends, if this started it.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    command: tuple[str, ...],
    workload: str | None,
    folder: str,
    port: int,
    db: str | None,
    wandb: str,
    stop: bool,
) -> None:
    """Run a training command and serve its metrics.

    Its output, its event files and its W&B metrics become one run. The output appears on the terminal
    unchanged, and is also written to runs/UID/logs.txt below the folder of runs. If no daemon answers, one is
    started and keeps running. The exit code is that of the command.

    \b
    lensd run -- python train.py
    lensd run --workload exp7 -- torchrun train.py
    """
    uid = workload or os.environ.get("WORKLOAD_UID") or _name(command)
    if not re.fullmatch(r"[^/\0.][^/\0]*", uid) or uid.lower() in CONTAINERS or len(uid.encode()) > 200:
        fail(USAGE, f"--workload {uid}: give a plain name; a folder gets that name")
    root = Path(folder).resolve()
    own = root / "runs" / uid
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(USAGE, f"{own} cannot be created: {error.strerror}")
    server = _server(root, port, db)
    gatherer = Gatherer(root, own, time.time())
    url = server.url if server else f"http://127.0.0.1:{port}"
    began: dict[str, object] = {
        "status": "running", "pid": os.getpid(), "started_at": time.time(), "host": platform.node(),
        "command": command_line(command[0], command[1:]),
    }  # fmt: skip
    code = 1
    try:
        child = daemon.child_environment(os.environ, url, uid, wandb)

        def started() -> None:
            _write_status(own, began)
            gatherer.watch(os.getpid())

        code = tee.run(command, child, own / "logs.txt", started)
    except tee.CommandError as error:
        code = error.code
        fail(error.code, str(error))
    except OSError as error:
        fail(USAGE, f"{own / 'logs.txt'} cannot be written to: {error.strerror}")
    finally:
        gatherer.finish()
        ended = {"status": of_exit_code(code), "exit_code": code, "ended_at": time.time()}
        _write_status(own, began | ended)
        if server and stop:
            daemon.stop(server)
    if server and server.process and not stop:
        note(f"{uid} is served at {url}; the daemon keeps running (process {server.process.pid})")
    raise SystemExit(code)


def _write_status(folder: Path, status: Mapping[str, object]) -> None:
    """Tell the daemon whether the command runs or how it ended, in a file that it reads beside the log."""
    written = folder / ".status.json"
    with contextlib.suppress(OSError):  # a full disk, say
        written.write_text(json.dumps(status))
        written.replace(folder / "status.json")


def _server(root: Path, port: int, db: str | None) -> daemon.DaemonProcess | None:
    url = f"http://127.0.0.1:{port}"
    token = os.environ.get("LENSD_TOKEN")
    if port and daemon.is_lensd(url, token):
        note(f"using the daemon at {url}")
        return daemon.DaemonProcess(url)
    try:
        server = daemon.start(root, port, db, os.environ)
    except (daemon.DaemonError, OSError) as error:
        note(f"warning: {error}; the command runs without one")
        return None
    note(f"serving {root} at {server.url}")
    return server


def _name(command: tuple[str, ...]) -> str:
    script = next((word for word in command if word.endswith((".py", ".sh"))), command[0])
    stem = re.sub(r"[^\w-]", "_", Path(script).stem) or "run"
    return f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
