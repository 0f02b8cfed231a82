"""`lensd serve`: read runs while they grow, and serve them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import click

from lensd.cli.browser import open_page
from lensd.cli.exit import ADDRESS, USAGE, errors, fail, note
from lensd.cli.inputs import (
    INPUTS,
    config_option,
    open_store,
    paths_argument,
    poller_of,
    progress_bar,
    workload_option,
)
from lensd.cli.messages import log_to_stderr, shown
from lensd.cli.pipe import name_option, piped
from lensd.cli.report import write_to
from lensd.cli.tables import counted
from lensd.config import Config, load
from lensd.ingest.ending import Ending, ending_of
from lensd.ingest.poller import Poller
from lensd.platform import keep_little_memory

_serve_db = click.option(
    "--db",
    metavar="FILE",
    help="The database file.  [default: one for each set of paths, in your data folder]",
)


@click.command(name="serve")
@paths_argument
@config_option
@click.option("--host", metavar="H", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", metavar="N", type=int, multiple=True,
    help="Port to listen on; may be repeated; 0 takes a free port.  [default: 8080]",
)  # fmt: skip
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen on more than this machine without a token: everybody there can read and push.",
)
@click.option("--tls-cert", metavar="FILE", help="Serve HTTPS with this certificate (PEM, with its chain).")
@click.option("--tls-key", metavar="FILE", help="The key of the certificate, if it is not in the same file.")
@_serve_db
@workload_option
@name_option
@click.option("--once", is_flag=True, help="Read everything to its end, then serve without polling.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--exit-with",
    metavar="JOB",
    help="End with a job, when everything is read: its process id, the path of a file that it makes last, or"
    " idle=10m for nothing new in ten minutes.",
)
@click.option(
    "--report", "report_file", metavar="FILE", help="Write a report (see `lensd report`) at the end."
)
def serve_command(
    paths: tuple[str, ...],
    config: str | None,
    once: bool,
    open_browser: bool,
    report_file: str | None,
    name: str | None,
    **flags: Any,
) -> None:
    """Read the runs under PATH while they grow, and serve them.

    PATH is a folder of runs, of any depth, or a file, or - for a pipe. The page is at the address that is
    printed, the JSON API below /api/runs and /api/v1. Ctrl-C stops; the database stays, and reading goes on
    from there.

    \b
    lensd serve --open ./runs
    lensd serve --port 9000 --db runs.db ./runs ./more-runs
    WORKLOAD_UID=job-7 LENSD_TOKEN_FILE=/run/secrets/lensd \\
      lensd serve --host 0.0.0.0 /logs                       (beside training, in a pod)
    kubectl logs -f pod | lensd serve - --name pod
    """
    from lensd import serve  # imported here because HTTP doubles the start-up time of every command

    keep_little_memory()
    with errors(), piped(paths, flags["db"], name, flags["workload"], whole=once) as paths:
        options = load(config, os.environ, {"paths": list(paths), **_without_tuples(flags)})
        log_to_stderr(options.log_level)
        if not options.paths and not options.source:
            fail(USAGE, "nothing to read: name a folder, as in `lensd serve ./runs`")
        ending = _ending(options, lambda: (store.version(), poller.progress().done_bytes))
        try:
            tls = serve.tls_context(options)
            sockets = serve.bind(options.host, options.ports)
        except serve.CannotListen as error:
            fail(ADDRESS, str(error))
        if not options.has_token and not all(map(serve.is_local, sockets)):
            if not options.insecure:
                fail(
                    USAGE,
                    f"listening on {options.host} without a token lets everybody who reaches this machine"
                    " read the runs and push points: set LENSD_TOKEN, or add --insecure if that is meant",
                )
            note(f"warning: {options.host} is open to everybody who can reach this machine")
        with closing(open_store(options.database())) as store:
            poller = poller_of(options, store)
            _print(f"database {store.path}")
            if once:
                with progress_bar("reading") as progress:
                    poller.drain(progress=progress, final=True)
            else:
                poller.scan()
            _print(_what_was_found(poller))
            opener = partial(open_page, say=_print) if open_browser else None
            asyncio.run(
                serve.run(
                    options, store, poller, sockets, _print,
                    once=once, opener=opener, tls=tls, ending=ending,
                )
            )  # fmt: skip
            if report_file:
                write_to(store, report_file)


def _ending(options: Config, activity: Callable[[], object]) -> Ending | None:
    if options.exit_with is None:
        return None
    try:
        return ending_of(options.exit_with, activity)
    except ValueError as error:
        fail(USAGE, str(error))


def _without_tuples(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Repeatable flags as lists, which the configuration has."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()}


def _print(line: str) -> None:
    click.echo(shown(line))
    sys.stdout.flush()


def _what_was_found(poller: Poller) -> str:
    tracked = poller.tracked()
    if not tracked:
        return f"no runs found yet: {INPUTS}; watching for them"
    workloads = {entry.input.workload for entry in tracked}
    return f"found {counted(len(tracked), 'input')} of {counted(len(workloads), 'workload')}"
