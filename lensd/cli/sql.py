"""`lensd db sql`: questions to a database in SQL, with its points as plain rows."""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import sys
import tempfile
from contextlib import closing
from typing import Literal

import click
import msgspec

from lensd.cli.exit import UNREADABLE, USAGE, errors, fail
from lensd.cli.plain import write_plain
from lensd.store import Store

_SECONDS = 24 * 3600.0


@click.group(name="db")
def database() -> None:
    """Ask a database."""


@database.command(name="sql")
@click.argument("query")
@click.option("--db", metavar="FILE", required=True, help="The database file.")
@click.option("--workload", metavar="UID", multiple=True, help="Only this workload; may be repeated.")
@click.option(
    "--format", "output_format", type=click.Choice(["csv", "ndjson"]), default="csv", show_default=True,
    help="The output format.",
)  # fmt: skip
@click.option(
    "--attempt", metavar="A", default="current", help="current, all, or a number.  [default: current]"
)
def sql(
    query: str, db: str, workload: tuple[str, ...], output_format: Literal["csv", "ndjson"], attempt: str
) -> None:
    """Answer QUERY, a SELECT over these tables, on stdout.

    \b
    run     uid, name, status, framework, iteration, target_iteration, steps_per_second, created_ms,
            updated_ms
    config  run, name, value
    point   run, metric, data_source, attempt, step, ts_ms, value: all finite points, if the query names it
    lensd.  before a name: the tables and views of the database itself (docs/database.md)

    \b
    lensd db sql --db runs.db "SELECT run, min(value), step FROM point WHERE metric = 'loss' GROUP BY run"
    """
    if attempt not in ("current", "all") and not attempt.isdigit():
        fail(USAGE, f"--attempt {attempt}: give current, all, or a number")
    with errors(), tempfile.TemporaryDirectory(prefix="lensd-") as folder:
        plain = os.path.join(folder, "plain.db")
        with closing(Store.open(db, read_only=True)) as store, store.read(seconds=_SECONDS) as reader:
            uids = [one.uid for one in reader.workloads()]
            missing = [uid for uid in workload if uid not in uids]
            if missing:
                fail(
                    UNREADABLE,
                    f"{db} has no workload {missing[0]!r}; it has {', '.join(uids[:8]) or 'none'}",
                )
            with_points = re.search(r"\bpoint\b", query, re.IGNORECASE) is not None
            write_plain(reader, workload or uids, plain, attempt, with_points=with_points)
        try:
            with closing(sqlite3.connect(f"file:{plain}", uri=True)) as connection:
                connection.execute("ATTACH ? AS lensd", (f"file:{os.path.abspath(db)}?mode=ro",))
                connection.execute("PRAGMA query_only = 1")
                _print(connection.execute(query), output_format)
        except sqlite3.Error as error:
            fail(USAGE, f"SQLite says: {error}")


def _print(rows: sqlite3.Cursor, output_format: str) -> None:
    names = [column[0] for column in rows.description or ()]
    if output_format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        for row in rows:
            print(msgspec.json.encode(dict(zip(names, row, strict=True))).decode())
    sys.stdout.flush()
