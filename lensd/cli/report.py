"""`lensd report`: what happened in runs, as one document."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import IO

import click

from lensd.cli.archives import unpacked
from lensd.cli.exit import UNREADABLE, USAGE, errors, fail, note
from lensd.cli.inputs import read_once
from lensd.cli.messages import log_to_stderr
from lensd.cli.tables import counted
from lensd.config import load
from lensd.query import lens
from lensd.report.writer import MOST_RUNS, Format, write_report
from lensd.store import Reader, Store

_SECONDS = 3600.0


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--db", metavar="FILE", help="Report the runs of this database instead of reading files.")
@click.option(
    "--workload",
    "uids",
    metavar="UID",
    multiple=True,
    help="Only this run; may be repeated (see `lensd runs`).",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["html", "md", "json"]),
    help="The output format.  [default: by the name of the output file, else md]",
)
@click.option("-o", "--output", metavar="FILE", help="The file to write.  [default: standard output]")
@click.option("--title", metavar="TEXT", help="The title of the report.")
def report(
    paths: tuple[str, ...],
    db: str | None,
    uids: tuple[str, ...],
    output_format: Format | None,
    output: str | None,
    title: str | None,
) -> None:
    """Write what happened in the runs under PATH, or of a database, as one document.

    How far each run came and how it ended, its metrics with their best and last values, what was not finite,
    its curves, its configuration, and the last lines of its log. The HTML file needs nothing else: send it by
    mail. Reading PATH stores nothing. PATH may be an archive (.tar, .tar.gz, .tar.zst, .zip).

    \b
    lensd report ./copied-run -o report.html
    lensd report --db runs.db --workload exp1 --format md
    """
    with errors(), ExitStack() as stack:
        if bool(paths) == bool(db):
            fail(USAGE, "name either folders (`lensd report ./runs`) or a database (`--db runs.db`)")
        output_format = output_format or _format_of(output)
        log_to_stderr("error")
        store = (
            stack.enter_context(closing(Store.open(db, read_only=True)))
            if db
            else stack.enter_context(_read(stack.enter_context(unpacked(paths))))
        )
        where = db or ", ".join(paths)
        if output is None:
            with store.read(seconds=_SECONDS) as reader:
                chosen = _chosen(reader, uids, where)
                write_report(reader, chosen, output_format, title or _title(chosen), sys.stdout.buffer)
                sys.stdout.flush()
        else:
            write_to(store, output, uids, output_format=output_format, title=title, where=where)


def write_to(
    store: Store,
    path: str,
    uids: Sequence[str] = (),
    *,
    output_format: Format | None = None,
    title: str | None = None,
    where: str = "the database",
) -> None:
    """Write the report of these workloads, or of all, into a file, and say so. where: what they are from."""
    with store.read(seconds=_SECONDS) as reader, _replaced(path) as file:
        chosen = _chosen(reader, uids, where)
        write_report(reader, chosen, output_format or _format_of(path), title or _title(chosen), file)
    note(f"wrote {path}")
    if len(chosen) > MOST_RUNS:
        note(f"only the newest {MOST_RUNS} of {len(chosen)} runs are in it; choose others by --workload")


def _title(uids: Sequence[str]) -> str:
    return f"Run {uids[0]}" if len(uids) == 1 else counted(len(uids), "run")


def _format_of(output: str | None) -> Format:
    suffix = os.path.splitext(output or "")[1].lower()
    return "html" if suffix in (".html", ".htm") else "json" if suffix == ".json" else "md"


@contextmanager
def _read(paths: Sequence[str]) -> Iterator[Store]:
    """A store, gone afterwards, with everything that is under the paths."""
    with read_once(load(None, os.environ, {"paths": list(paths)})) as (store, problems):
        for sentence in problems.values():
            note(sentence)
        yield store


def _chosen(reader: Reader, uids: Sequence[str], where: str) -> list[str]:
    """The runs to report, the newest first."""
    infos = {info.uid: info for info in lens.workloads(reader, None, None)}
    for uid in uids:
        if uid not in infos:
            names = ", ".join(sorted(infos)[:8])
            fail(UNREADABLE, f"no workload {uid!r} in {where}; there is {names or 'none'}")
    if not infos:
        fail(UNREADABLE, f"no runs found in {where}; `lensd sources PATH` shows what the files are taken for")
    return sorted(uids or infos, key=lambda uid: (-(infos[uid].updated_at or 0), uid))


@contextmanager
def _replaced(path: str) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is whole."""
    unfinished = f"{path}.{os.getpid()}.part"
    try:
        with open(unfinished, "xb") as file:
            yield file
        os.replace(unfinished, path)
    except OSError as error:
        fail(USAGE, f"cannot write {path}: {error.strerror}")
    finally:
        with suppress(OSError):
            os.unlink(unfinished)
