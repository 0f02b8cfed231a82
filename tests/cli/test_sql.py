"""A database as plain tables: exported, and asked in SQL."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lensd.cli import main
from lensd.model import Batch, Points, Series
from lensd.store import Store
from tests.conftest import an_input

COUNT = 9000  # so that most points are sealed


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "runs.db")
    with closing(Store.open(path)) as store:
        for uid in ("a", "b"):
            (input,) = store.register([an_input(f"/{uid}/log", id=uid, workload=uid)])
            at = np.arange(COUNT, dtype=np.int64)
            values = 5.0 - at.astype(np.float64) / COUNT
            values[17] = np.nan
            points = Points(at, at.astype(np.float64) * 1000.0, values, at)
            store.apply(
                input, Batch(b"1", {"loss": Series(points)}, facts={"config.lr": 0.1, "name": f"run {uid}"})
            )
    return path


def lensd(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_an_export_has_every_point_as_a_row(database: str, tmp_path: Path) -> None:
    plain = str(tmp_path / "plain.db")
    result = lensd("export", "--db", database, "--format", "sqlite", "-o", plain)
    assert result.exit_code == 0, result.output
    with closing(sqlite3.connect(plain)) as db:
        counts = db.execute("SELECT run, count(*), min(step), max(ts_ms) FROM point GROUP BY run").fetchall()
        assert counts == [("a", COUNT - 1, 0, 8_999_000), ("b", COUNT - 1, 0, 8_999_000)]
        assert db.execute("SELECT value FROM point WHERE run = 'a' AND step = 4500").fetchall() == [(4.5,)]
        assert db.execute("SELECT uid, name, iteration FROM run").fetchall() == [
            ("a", "run a", COUNT - 1),
            ("b", "run b", COUNT - 1),
        ]
        assert db.execute("SELECT * FROM config WHERE run = 'b'").fetchall() == [("b", "lr", 0.1)]
    again = lensd("export", "--db", database, "--format", "sqlite", "-o", plain)
    assert (again.exit_code, "is there already" in again.output) == (2, True)


def test_sql_asks_for_any_point(database: str) -> None:
    query = "SELECT run, min(value) AS best, step FROM point WHERE metric = 'loss' GROUP BY run"
    result = lensd("db", "sql", query, "--db", database)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["run"], row["step"]) for row in rows] == [("a", "8999"), ("b", "8999")]
    one = lensd("db", "sql", query, "--db", database, "--workload", "b", "--format", "ndjson")
    assert [json.loads(line)["run"] for line in one.stdout.splitlines()] == ["b"]


def test_sql_knows_the_views_of_the_database(database: str) -> None:
    for view, count in (
        ("workloads", 2), ("facts", 4), ("inputs", 2), ("metrics", 2), ("console_lines", 0),
    ):  # fmt: skip
        result = lensd("db", "sql", f"SELECT count(*) AS n FROM lensd.{view}", "--db", database)
        assert result.stdout.split() == ["n", str(count)], (view, result.output)
    with closing(Store.open(database)) as store:
        (input,) = store.register([an_input("/c/log", id="c", workload="c")])
        store.apply(input, Batch(b"1", {"acc": Series(Points.of([1, 2], [1000.0, 2000.0], [0.5, 0.75]))}))
    recent = lensd("db", "sql", "SELECT workload, metric, step FROM lensd.recent_points", "--db", database)
    assert recent.stdout.splitlines()[1:] == ["c,acc,1", "c,acc,2"]


@pytest.mark.parametrize(
    ("query", "flags", "code", "sentence"),
    [
        ("SELECT colour FROM point", [], 2, "no such column"),
        ("DELETE FROM lensd.workload", [], 2, "SQLite says"),
        ("SELECT 1", ["--workload", "c"], 1, "no workload 'c'; it has a, b"),
        ("SELECT 1", ["--attempt", "x"], 2, "give current, all, or a number"),
    ],
)
def test_what_cannot_be_answered_is_said(
    database: str, query: str, flags: list[str], code: int, sentence: str
) -> None:
    result = lensd("db", "sql", query, "--db", database, *flags)
    assert (result.exit_code, sentence in result.output) == (code, True), result.output
