"""The command line. Every error is one sentence on stderr; `lensd.cli.exit` has the exit codes."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Literal

import click

from lensd import __version__
from lensd.cli.browser import open_page
from lensd.cli.doctor import examine, pattern_of, report
from lensd.cli.exit import ADDRESS, DATABASE, UNREADABLE, USAGE, errors, fail, note
from lensd.cli.export import write_points
from lensd.cli.hook import hook
from lensd.cli.run import run as run_command
from lensd.cli.tables import print_inputs, print_runs, print_summary
from lensd.config import Config, load
from lensd.ingest.poller import Poller, ReadProgress
from lensd.ingest.sources import sources
from lensd.query import lens, runs
from lensd.store import Store

_EPILOG = """
\b
Exit codes:
  0  success
  1  some inputs could not be read
  2  wrong usage or configuration
  3  the database cannot be used, or could not store everything
  4  cannot listen on the address
"""
_INPUTS = (
    "lensd looks for text logs (*.log *.out *.err *.txt *.jsonl *.csv *.tsv, stdout, *.o123, no suffix; also"
    " packed), TensorBoard event files (*tfevents*), W&B files (*.wandb) and the files of other"
    " adapters; a file that you name is read whatever its name is"
)
_EXPORT_SECONDS = 24 * 3600.0

_db = click.option("--db", metavar="FILE", help="The database file.")
_required_db = click.option("--db", metavar="FILE", required=True, help="The database file.")
_workload = click.option(
    "--workload", metavar="UID", help="Put everything into this one workload (also $WORKLOAD_UID)."
)
_config = click.option(
    "--config", metavar="FILE", help="A TOML file; config.example.toml explains every option."
)
_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lensd", message="%(prog)s %(version)s")
def main() -> None:
    """Serve the metrics of training runs from the files that they already write.

    lensd reads text logs, TensorBoard event files and Weights & Biases files while they grow, keeps every
    point in one SQLite file, and serves it as JSON. Training code stays as it is.

    \b
    Serve a folder of runs, and ask for its runs:
      lensd serve ./runs
      curl http://127.0.0.1:8080/api/runs

    \b
    Start a training and serve its metrics, with one command:
      lensd run -- python train.py

    \b
    See why a run or a curve is missing:
      lensd sources ./runs                     which files are read, as what, and why
      lensd doctor ./runs/exp1/train.log       which lines of a file are parsed

    \b
    Work without a daemon:
      lensd ingest ./runs --db runs.db         read everything once
      lensd runs --db runs.db                  list the runs
      lensd export --db runs.db --workload exp1 --format csv

    `lensd COMMAND --help` explains a command.
    """


@main.command(name="serve")
@_paths
@_config
@click.option("--host", metavar="H", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", metavar="N", type=int, multiple=True,
    help="Port to listen on; may be repeated; 0 takes a free port.  [default: 8080]",
)  # fmt: skip
@_db
@_workload
@click.option("--once", is_flag=True, help="Read everything to its end, then serve without polling.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def serve_command(
    paths: tuple[str, ...], config: str | None, once: bool, open_browser: bool, **flags: Any
) -> None:
    """Read the runs under PATH while they grow, and serve them.

    \b
    lensd serve --open ./runs
    lensd serve --port 9000 --db runs.db ./runs ./more-runs
    WORKLOAD_UID=job-7 lensd serve --host 0.0.0.0 /logs      (beside training, in a pod)
    """
    from lensd import serve  # imported here because HTTP doubles the start-up time of every command

    with errors():
        options = load(config, os.environ, {"paths": list(paths), **_without_tuples(flags)})
        _log_to_stderr(options.log_level)
        if not options.paths and not options.source:
            fail(USAGE, "nothing to read: name a folder, as in `lensd serve ./runs`")
        try:
            sockets = serve.bind(options.host, options.ports)
        except serve.CannotListen as error:
            fail(ADDRESS, str(error))
        with closing(_open(options.database())) as store:
            poller = _poller(options, store)
            _print(f"database {store.path}")
            _warn_if_open(options)
            if once:
                with _bar("reading") as progress:
                    poller.drain(progress=progress, final=True)
            else:
                poller.scan()
            _print(_what_was_found(poller))
            opener = partial(open_page, say=_print) if open_browser else None
            asyncio.run(serve.run(options, store, poller, sockets, _print, once=once, opener=opener))


@main.command()
@_paths
@_config
@_required_db
@_workload
def ingest(paths: tuple[str, ...], config: str | None, db: str, workload: str | None) -> None:
    """Read everything under PATH into a database, then exit.

    \b
    lensd ingest ./copied-logs --db crash.db && lensd runs --db crash.db
    """
    with errors():
        options = load(config, os.environ, {"paths": list(paths), "workload": workload, "db": db})
        if not options.paths and not options.source:
            fail(USAGE, "nothing to read: name a folder or file, as in `lensd ingest ./runs --db runs.db`")
        _log_to_stderr("error")
        with closing(_open(db)) as store:
            poller = _poller(options, store)
            with _bar("reading") as progress:
                poller.drain(progress=progress, final=True)
            with store.read() as reader:
                inputs = lens.inputs(reader, None)
            read_now = {tracked.input.id for tracked in poller.tracked()}
            inputs = [input for input in inputs if input.id in read_now]
            bad = print_summary(inputs, poller.problems)
            if not read_now and not poller.problems:
                fail(UNREADABLE, f"no runs found in {', '.join(options.paths)}: {_INPUTS}")
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


@main.command(name="sources")
@_paths
@_config
@_db
@_workload
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
        _log_to_stderr("error")
        if db:
            with closing(Store.open(db, read_only=True)) as store, store.read() as reader:
                print_inputs(lens.inputs(reader, None), {})
            return
        options = load(config, os.environ, {"paths": list(paths), "workload": workload})
        if not options.paths and not options.source:
            fail(USAGE, f"{config} names nothing to read: name folders, as in `lensd sources ./runs`")
        with (
            tempfile.TemporaryDirectory(prefix="lensd-") as folder,
            closing(Store.open(os.path.join(folder, "sources.db"))) as store,
        ):
            adapters, unavailable = sources(options)
            poller = Poller(store, adapters, polling=options.polling)
            with _bar("reading") as progress:
                poller.drain(progress=progress, final=True)
            with store.read() as reader:
                inputs = lens.inputs(reader, None)
            problems = poller.problems | {n: f"adapter {n} {why}" for n, why in unavailable.items()}
            print_inputs(inputs, problems)
            if not inputs:
                fail(UNREADABLE, f"no runs found in {', '.join(options.paths)}: {_INPUTS}")


@main.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--pattern", metavar="REGEX", multiple=True, help="Try this pattern before all log formats; repeatable."
)
@click.option(
    "--pattern-for", metavar="N", type=int, help="Print only a [[pattern]] block for lines like [N]."
)
@click.option("--all", "everything", is_flag=True, help="Show all kinds of lines, not the first few.")
@click.option("--config", metavar="FILE", help="A TOML file; its patterns and time zone are used.")
def doctor(
    file: str, pattern: tuple[str, ...], pattern_for: int | None, everything: bool, config: str | None
) -> None:
    """Show which lines of FILE are read, and what each of their numbers becomes.

    Lines that differ in their numbers alone are one kind. For each kind it shows an example, the step, the
    metrics, and the reason where nothing is stored. Stores nothing.

    \b
    lensd doctor train.log
    lensd doctor train.log --pattern 'it (?P<step>\\d+): goodness (?P<goodness>\\S+)'

    A pattern is a regular expression with named groups: step, total, epoch, batch and time place a point,
    every other group is a metric. Doctor proposes one for lines that look like metrics and are not read. To
    keep it, and to have it for lines that are read:

    \b
    lensd doctor train.log --pattern-for 2 >> lensd.toml
    lensd doctor train.log --config lensd.toml
    lensd serve ./runs --config lensd.toml

    Exit code: 0 if points would be stored, 1 if none.
    """
    with errors():
        _log_to_stderr("error")
        options = load(config, os.environ, {})
        options.pattern = [*({"regex": regex} for regex in pattern), *options.pattern]
        if os.path.isdir(file):
            fail(UNREADABLE, f"{file}: a folder; `lensd sources {file}` lists what is in it")
        if not os.path.isfile(file):
            fail(UNREADABLE, f"{file}: no such file")
        answer = examine(file, options)
        if isinstance(answer, str):
            fail(UNREADABLE, answer)
        heading, diagnosis = answer
        if pattern_for is not None:
            click.echo(pattern_of(diagnosis, pattern_for))
            return
        for line in report(heading, diagnosis, everything=everything):
            click.echo(line)
        if not diagnosis.point_count:
            raise SystemExit(UNREADABLE)


@main.command(name="runs")
@_required_db
def runs_command(db: str) -> None:
    """List the runs of a database, the newest first.

    \b
    lensd runs --db runs.db
    """
    with errors(), closing(Store.open(db, read_only=True)) as store, store.read() as reader:
        workloads = {workload.uid: workload for workload in lens.workloads(reader, None, None)}
        print_runs([(run, workloads[run.id]) for run in runs.runs(reader)])


@main.command()
@_required_db
@click.option("--workload", metavar="UID", required=True, help="The workload (see `lensd runs`).")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "ndjson"]),
    required=True,
    help="The output format.",
)
@click.option(
    "--attempt",
    metavar="A",
    default="current",
    help="current (what is served), all, or the number of one attempt.  [default: current]",
)
def export(db: str, workload: str, output_format: Literal["csv", "ndjson"], attempt: str) -> None:
    """Write the points of a workload to stdout.

    \b
    lensd export --db runs.db --workload exp1 --format csv > exp1.csv
    """
    with errors():
        if attempt not in ("current", "all") and not attempt.isdigit():
            fail(USAGE, f"--attempt {attempt}: give current, all, or a number")
        with (
            closing(Store.open(db, read_only=True)) as store,
            store.read(seconds=_EXPORT_SECONDS) as reader,
        ):
            if reader.workload(workload) is None:
                uids = ", ".join(row.uid for row in reader.workloads()[:8])
                fail(UNREADABLE, f"{db} has no workload {workload!r}; it has {uids or 'none'}")
            write_points(reader, workload, output_format, attempt, sys.stdout.buffer)
            sys.stdout.flush()


main.add_command(hook)
main.add_command(run_command)


def _without_tuples(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Repeatable flags as lists, which the configuration has."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()}


def _open(path: str) -> Store:
    store = Store.open(path)
    for warning in store.warnings:
        note(f"warning: {warning}")
    return store


def _poller(options: Config, store: Store) -> Poller:
    adapters, unavailable = sources(options)
    for name, reason in sorted(unavailable.items()):
        note(f"adapter {name} {reason}")
    return Poller(store, adapters, polling=options.polling)


def _print(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _what_was_found(poller: Poller) -> str:
    tracked = poller.tracked()
    if not tracked:
        return f"no runs found yet: {_INPUTS}; watching for them"
    workloads = {entry.input.workload for entry in tracked}
    return f"found {len(tracked)} inputs of {len(workloads)} workloads"


def _warn_if_open(options: Config) -> None:
    if options.host not in ("127.0.0.1", "localhost", "::1") and not options.token:
        note(
            f"warning: listening on {options.host} without a token: everybody who can reach this machine can"
            " read the runs; set LENSD_TOKEN"
        )


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", force=True
    )


@contextmanager
def _bar(label: str) -> Iterator[Callable[[ReadProgress], None] | None]:
    """A progress bar over bytes on stderr; None if that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(progress: ReadProgress) -> None:
            bar.length = max(1, progress.done_bytes + progress.left_bytes)
            bar.update(progress.done_bytes - bar.pos)

        yield show
