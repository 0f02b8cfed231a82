"""The commands that read runs once, and those that show what a database has."""

from __future__ import annotations

import os
import sys
from contextlib import closing, nullcontext
from typing import Literal

import click

from lensd.cli.archives import unpacked
from lensd.cli.exit import DATABASE, UNREADABLE, USAGE, errors, fail
from lensd.cli.export import write_points
from lensd.cli.inputs import (
    INPUTS,
    config_option,
    open_store,
    paths_argument,
    poller_of,
    progress_bar,
    read_once,
    workload_option,
)
from lensd.cli.messages import log_to_stderr
from lensd.cli.pipe import name_option, piped
from lensd.cli.plain import write_plain
from lensd.cli.tables import print_inputs, print_runs, print_summary
from lensd.config import load
from lensd.query import lens, runs
from lensd.store import Store

_EXPORT_SECONDS = 24 * 3600.0

_db = click.option("--db", metavar="FILE", help="The database file.")
_required_db = click.option("--db", metavar="FILE", required=True, help="The database file.")


@click.command()
@paths_argument
@config_option
@_required_db
@workload_option
@name_option
def ingest(
    paths: tuple[str, ...], config: str | None, db: str, workload: str | None, name: str | None
) -> None:
    """Read everything under PATH into a database, then exit. PATH - is a pipe.

    Reading again adds only what is new. A file whose lines look like metrics and give no points is named.
    PATH may be an archive (.tar, .tar.gz, .tar.zst, .zip).

    \b
    lensd ingest ./copied-logs --db crash.db && lensd runs --db crash.db
    kubectl logs pod | lensd ingest - --db crash.db --name pod
    """
    with errors(), piped(paths, db, name, workload, whole=True) as paths, unpacked(paths) as folders:
        options = load(config, os.environ, {"paths": folders, "workload": workload, "db": db})
        if not options.paths and not options.source:
            fail(USAGE, "nothing to read: name a folder or file, as in `lensd ingest ./runs --db runs.db`")
        log_to_stderr("error")
        with closing(open_store(db)) as store:
            poller = poller_of(options, store)
            with progress_bar("reading") as progress:
                poller.drain(progress=progress, final=True)
            with store.read() as reader:
                inputs = lens.inputs(reader, None)
            read_now = {tracked.input.id for tracked in poller.tracked()}
            inputs = [input for input in inputs if input.id in read_now]
            bad = print_summary(inputs, poller.problems)
            if not read_now and not poller.problems:
                fail(UNREADABLE, f"no runs found in {', '.join(paths or options.paths)}: {INPUTS}")
            unstored = [tracked for tracked in poller.tracked() if tracked.health.unstored]
            if unstored:
                names = ", ".join(tracked.input.name for tracked in unstored)
                fail(DATABASE, f"could not store everything of {names}: {unstored[0].health.unstored}")
            if bad:
                raise SystemExit(UNREADABLE)
            if read_now and not any(input.points for input in inputs):
                fail(
                    UNREADABLE,
                    "no points were found; `lensd sources PATH` shows what the files were taken for",
                )


@click.command(name="sources")
@paths_argument
@config_option
@_db
@workload_option
def sources_command(paths: tuple[str, ...], config: str | None, db: str | None, workload: str | None) -> None:
    """Show which files are read, as what, and why.

    Lists every input under PATH, or of a database: its workload and the rule that chose it, the log format or
    kind of file, how far it is read, and which inputs hide its points. Stores nothing.

    \b
    lensd sources ./runs
    lensd sources --db runs.db
    """
    with errors():
        if (bool(paths) or bool(config)) == bool(db):
            fail(USAGE, "name either folders (`lensd sources ./runs`) or a database (`--db runs.db`)")
        log_to_stderr("error")
        if db:
            with closing(Store.open(db, read_only=True)) as store, store.read() as reader:
                print_inputs(lens.inputs(reader, None), {})
            return
        options = load(config, os.environ, {"paths": list(paths), "workload": workload})
        if not options.paths and not options.source:
            fail(USAGE, f"{config} names nothing to read: name folders, as in `lensd sources ./runs`")
        with read_once(options) as (store, problems):
            with store.read() as reader:
                inputs = lens.inputs(reader, None)
            print_inputs(inputs, problems)
            if not inputs and problems:
                raise SystemExit(UNREADABLE)
            if not inputs:
                fail(UNREADABLE, f"no runs found in {', '.join(options.paths)}: {INPUTS}")


@click.command(name="runs")
@_required_db
def runs_command(db: str) -> None:
    """List the runs of a database, the newest first.

    \b
    lensd runs --db runs.db
    """
    with errors(), closing(Store.open(db, read_only=True)) as store, store.read() as reader:
        workloads = {workload.uid: workload for workload in lens.workloads(reader, None, None)}
        print_runs([(run, workloads[run.id]) for run in runs.runs(reader)])


@click.command()
@_required_db
@click.option("--workload", metavar="UID", help="The workload (see `lensd runs`); of sqlite: all without it.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "ndjson", "sqlite"]),
    required=True,
    help="The output format.",
)
@click.option(
    "--attempt",
    metavar="A",
    default="current",
    help="current (what is served), all, or the number of one attempt.  [default: current]",
)
@click.option("-o", "--output", metavar="FILE", help="Write to this file, which sqlite needs.")
@click.option("--spreadsheet", is_flag=True, help="No name in the CSV is to be taken for a formula.")
def export(
    db: str,
    workload: str | None,
    output_format: Literal["csv", "ndjson", "sqlite"],
    attempt: str,
    output: str | None,
    spreadsheet: bool,
) -> None:
    """Write the points of a workload to stdout, or everything into plain tables of SQLite.

    \b
    lensd export --db runs.db --workload exp1 --format csv > exp1.csv
    lensd export --db runs.db --format sqlite -o plain.db && datasette plain.db
    """
    with errors():
        if attempt not in ("current", "all") and not attempt.isdigit():
            fail(USAGE, f"--attempt {attempt}: give current, all, or a number")
        if output_format == "sqlite" and (output is None or os.path.exists(output)):
            fail(USAGE, f"{output} is there already" if output else "name a new file, as in `-o plain.db`")
        if output_format != "sqlite" and workload is None:
            fail(USAGE, "name a workload with --workload; `lensd runs` lists them")
        with (
            closing(Store.open(db, read_only=True)) as store,
            store.read(seconds=_EXPORT_SECONDS) as reader,
        ):
            uids = [row.uid for row in reader.workloads()]
            if workload is not None and workload not in uids:
                fail(UNREADABLE, f"{db} has no workload {workload!r}; it has {', '.join(uids[:8]) or 'none'}")
            if output_format == "sqlite":
                write_plain(reader, uids if workload is None else [workload], output or "", attempt)
                return
            with open(output, "wb") if output else nullcontext(sys.stdout.buffer) as out:
                write_points(reader, workload or "", output_format, attempt, out, spreadsheet=spreadsheet)
                out.flush()
