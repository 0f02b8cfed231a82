"""The command line. Every error is one sentence on stderr; exit codes are in `lensd --help`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from lensd import __version__
from lensd.cli.doctor import report
from lensd.cli.export import write_points
from lensd.cli.hook import hook
from lensd.cli.run import run as run_command
from lensd.cli.tables import print_inputs, print_runs, print_summary
from lensd.config import Config, ConfigError, load
from lensd.ingest.poller import Poller, ReadProgress
from lensd.ingest.sources import sources
from lensd.query import lens, runs
from lensd.store import Store, StoreError

UNREADABLE, USAGE, DATABASE, ADDRESS = 1, 2, 3, 4

_EPILOG = """
\b
Exit codes: 0 fine, 1 some inputs could not be read, 2 wrong usage or configuration, 3 the database cannot be
used, 4 the address cannot be listened on.
"""


def fail(code: int, sentence: str) -> NoReturn:
    click.echo(f"lensd: {sentence}", err=True)
    raise SystemExit(code)


@contextmanager
def errors() -> Iterator[None]:
    """Turn what users can cause into a sentence and an exit code."""
    try:
        yield
    except ConfigError as error:
        fail(USAGE, str(error))
    except StoreError as error:
        fail(DATABASE, str(error))
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): not an error, but stdout must not be flushed again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        fail(130, "interrupted")


_db = click.option("--db", metavar="FILE", help="The database file.")
_needed_db = click.option("--db", metavar="FILE", required=True, help="The database file.")
_workload = click.option(
    "--workload", metavar="UID", help="Put everything found into this one workload (also $WORKLOAD_UID)."
)
_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lensd", message="%(prog)s %(version)s")
def main() -> None:
    """Serve what training runs already write: text logs, TensorBoard event files, Weights & Biases.

    \b
    lensd serve ./runs                    read ./runs as it grows, answer on port 8080
    lensd sources ./runs                  what would be read, and why
    lensd ingest ./runs --db runs.db      read everything once into a file
    """


@main.command(name="serve")
@_paths
@click.option("--config", metavar="FILE", help="A TOML file; config.example.toml explains every option.")
@click.option("--host", metavar="H", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", metavar="N", type=int, multiple=True,
    help="Port to listen on; several bind several, 0 takes a free one.  [default: 8080]",
)  # fmt: skip
@_db
@_workload
@click.option("--once", is_flag=True, help="Read everything to its end, then serve without polling.")
def serve_command(paths: tuple[str, ...], config: str | None, once: bool, **flags: Any) -> None:
    """Read the runs under PATH as they grow, and serve them.

    \b
    lensd serve ./runs
    lensd serve --port 9000 --db runs.db ./runs ./more-runs
    WORKLOAD_UID=job-7 lensd serve --host 0.0.0.0 /logs      (beside training, in a pod)
    """
    from lensd import serve  # HTTP is the larger half of what there is to import, and only wanted here

    with errors():
        options = load(config, os.environ, {"paths": list(paths), **_given(flags)})
        _log_to_stderr(options.log_level)
        if not options.paths and not options.source:
            fail(USAGE, "nothing to read: name a folder, as in `lensd serve ./runs`")
        try:
            sockets = serve.bind(options.host, options.ports)
        except serve.CannotListen as error:
            fail(ADDRESS, str(error))
        store = _open(options.database())
        try:
            found, unavailable = sources(options)
            _tell_unavailable(unavailable)
            poller = Poller(store, found, polling=options.polling)
            _say(f"database {store.path}")
            _warn(options)
            if once:
                with _bar("reading") as progress:
                    poller.drain(progress=progress, final=True)
            else:
                poller.scan()
            _say(_found(poller))
            asyncio.run(serve.run(options, store, poller, sockets, _say, once=once))
        finally:
            store.close()


@main.command()
@click.argument("paths", nargs=-1, metavar="PATH...", required=True)
@_needed_db
@_workload
def ingest(paths: tuple[str, ...], db: str, workload: str | None) -> None:
    """Read everything under PATH to its end into a database, then exit.

    \b
    lensd ingest ./copied-logs --db crash.db && lensd runs --db crash.db
    """
    with errors():
        options = load(None, os.environ, {"paths": list(paths), "workload": workload, "db": db})
        _log_to_stderr("error")
        store = _open(db)
        try:
            found, unavailable = sources(options)
            _tell_unavailable(unavailable)
            poller = Poller(store, found, polling=options.polling)
            with _bar("reading") as progress:
                poller.drain(progress=progress, final=True)
            with store.read() as reader:
                inputs = lens.inputs(reader, None)
            read_now = {tracked.input.id for tracked in poller.tracked()}
            bad = print_summary([each for each in inputs if each.id in read_now], poller.problems)
            if not read_now and not poller.problems:
                fail(UNREADABLE, f"no runs found in {', '.join(paths)}: {_WANTED}")
            unstored = [each for each in poller.tracked() if each.health.unstored]
            if unstored:
                names = ", ".join(each.input.name for each in unstored)
                fail(DATABASE, f"not all was stored of {names}: {unstored[0].health.unstored}")
            if bad:
                raise SystemExit(UNREADABLE)
        finally:
            store.close()


_WANTED = (
    "lensd looks for text logs (*.log *.out *.txt *.jsonl *.csv), TensorBoard event files (*tfevents*),"
    " W&B files (*.wandb) and what other adapters read"
)


@main.command(name="sources")
@_paths
@_db
@_workload
def sources_command(paths: tuple[str, ...], db: str | None, workload: str | None) -> None:
    """What is found under PATH, or what a database knows: which input belongs to which workload and why, what
    it was recognised as, and what is hidden by what. Stores nothing.

    \b
    lensd sources ./runs
    lensd sources --db runs.db
    """
    with errors():
        if bool(paths) == bool(db):
            fail(USAGE, "name either folders (`lensd sources ./runs`) or a database (`--db runs.db`)")
        _log_to_stderr("error")
        if db:
            store = Store.open(db, read_only=True)
            try:
                with store.read() as reader:
                    print_inputs(lens.inputs(reader, None), {})
            finally:
                store.close()
            return
        options = load(None, os.environ, {"paths": list(paths), "workload": workload})
        with tempfile.TemporaryDirectory(prefix="lensd-") as folder:
            store = Store.open(os.path.join(folder, "sources.db"))
            try:
                found, unavailable = sources(options)
                poller = Poller(store, found, polling=options.polling)
                with _bar("looking") as progress:
                    poller.drain(progress=progress, final=True)
                with store.read() as reader:
                    inputs = lens.inputs(reader, None)
                problems = poller.problems | {n: f"adapter {n} {why}" for n, why in unavailable.items()}
                print_inputs(inputs, problems)
                if not inputs:
                    fail(UNREADABLE, f"no runs found in {', '.join(paths)}: {_WANTED}")
            finally:
                store.close()


@main.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--pattern", metavar="REGEX", multiple=True, help="Try a pattern of your own before the others."
)
@click.option("--config", metavar="FILE", help="A TOML file, for the patterns in it.")
def doctor(file: str, pattern: tuple[str, ...], config: str | None) -> None:
    """What becomes of FILE: which log format takes which lines, the points that would be stored, where their
    step and time come from, and what is left over. Stores nothing.

    \b
    lensd doctor train.log
    lensd doctor train.log --pattern 'it (?P<step>\\d+): goodness (?P<goodness>\\S+)'

    A pattern is a regular expression with named groups: step, total, epoch and time place a point, every
    other group is a metric. A [[pattern]] block in the configuration keeps it.
    """
    with errors():
        _log_to_stderr("error")
        given = load(config, os.environ, {})
        given.pattern = [*({"regex": each} for each in pattern), *given.pattern]
        if not os.path.isfile(file):
            what = (
                f"a folder: `lensd sources {file}` tells what is in it"
                if os.path.isdir(file)
                else "no such file"
            )
            fail(UNREADABLE, f"{file}: {what}")
        for line in report(file, given):
            click.echo(line)


@main.command(name="runs")
@_needed_db
def runs_command(db: str) -> None:
    """The runs that a database holds, the newest first.

    \b
    lensd runs --db runs.db
    """
    with errors():
        store = Store.open(db, read_only=True)
        try:
            with store.read() as reader:
                known = {each.uid: each for each in lens.workloads(reader, None, None)}
                print_runs([(each, known[each.id]) for each in runs.runs(reader)])
        finally:
            store.close()


@main.command()
@_needed_db
@click.option("--workload", metavar="UID", required=True, help="The workload (see `lensd runs`).")
@click.option("--format", "form", type=click.Choice(["csv", "ndjson"]), required=True, help="What to write.")
@click.option("--attempt", default="current", help="current, all, or a number.  [default: current]")
def export(db: str, workload: str, form: str, attempt: str) -> None:
    """Write the points of a workload to stdout.

    \b
    lensd export --db runs.db --workload exp1 --format csv > exp1.csv
    """
    with errors():
        if attempt not in ("current", "all") and not attempt.isdigit():
            fail(USAGE, f"--attempt {attempt}: give current, all, or a number")
        store = Store.open(db, read_only=True)
        try:
            with store.read(seconds=24 * 3600.0) as reader:
                if reader.workload(workload) is None:
                    near = ", ".join(each.uid for each in reader.workloads()[:8])
                    fail(UNREADABLE, f"{db} has no workload {workload!r}; it has {near or 'none'}")
                write_points(reader, workload, form, attempt, sys.stdout)
                sys.stdout.flush()
        finally:
            store.close()


main.add_command(hook)
main.add_command(run_command)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()}


def _open(path: str) -> Store:
    store = Store.open(path)
    for warning in store.warnings:
        click.echo(f"lensd: warning: {warning}", err=True)
    return store


def _tell_unavailable(unavailable: Mapping[str, str]) -> None:
    for name, reason in sorted(unavailable.items()):
        click.echo(f"lensd: adapter {name} {reason}", err=True)


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _found(poller: Poller) -> str:
    tracked = poller.tracked()
    if not tracked:
        return f"no runs found yet: {_WANTED}; watching for them"
    workloads = {each.input.workload for each in tracked}
    return f"found {len(tracked)} inputs of {len(workloads)} workloads"


def _warn(options: Config) -> None:
    if options.host not in ("127.0.0.1", "localhost", "::1") and not options.token:
        click.echo(
            f"lensd: warning: listening on {options.host} without a token: everybody who reaches this machine"
            " can read the runs; set LENSD_TOKEN",
            err=True,
        )


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", force=True
    )


@contextmanager
def _bar(label: str) -> Iterator[Callable[[ReadProgress], None] | None]:
    """A progress bar over bytes, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(progress: ReadProgress) -> None:
            bar.length = max(1, progress.done_bytes + progress.left_bytes)
            bar.update(progress.done_bytes - bar.pos)

        yield show
