"""`lensd run`: one command from a training script to live curves."""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from lensd.discovery import CONTAINERS
from lensd.run import daemon, tee
from lensd.run.event_files import Gatherer

USAGE = 2


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--workload", metavar="UID", help="The name of the run (also $WORKLOAD_UID).  [default: program and time]"
)
@click.option(
    "--folder", metavar="DIR", default=".", help="What a daemon started here serves.  [default: here]"
)
@click.option(
    "--port",
    metavar="N",
    type=int,
    default=8080,
    help="Where a daemon is looked for, or started.  [default: 8080]",
)
@click.option("--db", metavar="FILE", help="The database of a daemon started here.")
@click.option(
    "--wandb", type=click.Choice(["hook", "online", "off"]), default="hook",
    help="hook: report what wandb is given, whatever its mode; online: the daemon stands in for the"
    " W&B server; off: leave wandb alone.  [default: hook]",
)  # fmt: skip
@click.option("--stop", is_flag=True, help="End a daemon started here when the command ends.")
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
    """Run a training command and watch it: its output, its event files and what it gives to wandb become one
    run.

    The output stays on the terminal as it is, and is kept in runs/UID/logs.txt below the folder. A lensd is
    started if none answers. The exit code is that of the command.

    \b
    lensd run -- python train.py
    lensd run --workload exp7 -- torchrun train.py
    """
    uid = workload or os.environ.get("WORKLOAD_UID") or _name(command)
    if not re.fullmatch(r"[^/\0.][^/\0]*", uid) or uid.lower() in CONTAINERS or len(uid.encode()) > 200:
        _fail(USAGE, f"--workload {uid}: give a plain name, it becomes the name of a folder")
    root = Path(folder).resolve()
    own = root / "runs" / uid
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _fail(USAGE, f"{own} cannot be made: {error.strerror}")
    server = _server(root, port, db)
    gatherer = Gatherer(root, own / "tensorboard", time.time(), lambda name: "tfevents" in name)
    gatherer.watch(os.getpid())
    url = server.url if server else f"http://127.0.0.1:{port}"
    try:
        code = tee.run(command, daemon.child_environment(os.environ, url, uid, wandb), own / "logs.txt")
    except tee.CommandError as error:
        _fail(error.code, str(error))
    except OSError as error:
        _fail(USAGE, f"{own / 'logs.txt'} cannot be written to: {error.strerror}")
    finally:
        gatherer.finish()
        if server and stop:
            daemon.stop(server)
    if server and server.process and not stop:
        _say(f"{uid} is at {url}; the daemon goes on (process {server.process.pid})")
    raise SystemExit(code)


def _server(root: Path, port: int, db: str | None) -> daemon.DaemonProcess | None:
    url = f"http://127.0.0.1:{port}"
    token = os.environ.get("LENSD_TOKEN")
    if port and daemon.is_lensd(url, token):
        _say(f"using the daemon at {url}")
        return daemon.DaemonProcess(url)
    try:
        server = daemon.start(root, port, db, os.environ)
    except (daemon.DaemonError, OSError) as error:
        _say(f"warning: {error}; the command runs without")
        return None
    _say(f"serving {root} at {server.url}")
    return server


def _name(command: tuple[str, ...]) -> str:
    script = next((each for each in command if each.endswith((".py", ".sh"))), command[0])
    stem = re.sub(r"[^\w-]", "_", Path(script).stem) or "run"
    return f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _say(line: str) -> None:
    click.echo(f"lensd: {line}", err=True)
    sys.stderr.flush()


def _fail(code: int, sentence: str) -> NoReturn:
    click.echo(f"lensd: {sentence}", err=True)
    raise SystemExit(code)
