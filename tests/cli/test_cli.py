"""The command line as a person meets it: what it prints, where it refuses, with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from lensd.cli.main import COMMANDS, main
from lensd.query import lens
from lensd.store import Store
from tests.conftest import DATA, ROOT, StartDaemon

RUNS = str(DATA / "runs")


def lensd(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lensd", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("cli") / "x.db")
    done = lensd("ingest", RUNS, "--db", path)
    assert done.returncode == 0, done.stderr
    assert re.match(r"19 inputs of 7 workloads, \d+ points, \d+ unparsed lines\n", done.stdout)
    return path


def refusal(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence of a refusal, after checking that it is one."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.slow
def test_ingesting_twice_adds_nothing(database: str) -> None:
    again = lensd("ingest", RUNS, "--db", database)
    assert again.returncode == 0
    with sqlite3.connect(database) as db:
        (points,) = db.execute("SELECT SUM(points) FROM input").fetchone()
    db.close()
    assert f"{points} points" in again.stdout


@pytest.mark.slow
def test_sources_tell_what_is_read_and_what_hides_what(database: str) -> None:
    for arguments in (("--db", database), (RUNS,)):
        done = lensd("sources", *arguments)
        assert done.returncode == 0
        assert "keras-1  (first folder below runs)" in done.stdout
        assert "points hidden by keras-1/history.csv" in done.stdout
        assert "event file" in done.stdout


def test_lines_that_look_like_metrics_and_give_no_points_are_warned_of(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "odd").mkdir(parents=True)
    (runs / "odd" / "train.log").write_text("".join(f"~~ nr{n} !! loss: {n}.5\n" for n in range(9)))
    db, sentence = str(tmp_path / "x.db"), "no points: 9 of 9 lines look like metrics, but none was read"
    done = CliRunner().invoke(main, ["ingest", str(runs), "--db", db])
    assert done.exit_code == 1
    assert done.stdout == "1 input of 1 workload, 0 points, 9 unparsed lines\n"
    assert f"lensd: warning: odd/train.log: {sentence}" in done.stderr
    assert "lensd: no points were found; `lensd sources PATH`" in done.stderr
    for arguments in ((str(runs),), ("--db", db)):
        assert f"! {sentence}" in CliRunner().invoke(main, ["sources", *arguments]).stdout
    with Store.open(db, read_only=True).read() as reader:
        (workload,) = lens.workloads(reader, None, None)
    (warning,) = workload.warnings
    assert warning.startswith(f"odd/train.log: {sentence}")


def test_runs_are_listed(database: str) -> None:
    done = lensd("runs", "--db", database)
    assert done.returncode == 0
    header, *lines = done.stdout.splitlines()
    names, uids = header.index("RUN"), header.index("UID")
    assert {line[uids:].split()[0] for line in lines} == set(os.listdir(RUNS))
    (torch,) = (line for line in lines if "torch-mlp-1" in line)
    assert torch[names:uids].strip() == "torch-mlp-1"


@pytest.mark.slow
def test_export_gives_every_point(database: str) -> None:
    table = lensd("export", "--db", database, "--workload", "torch-mlp-1", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    lines = lensd("export", "--db", database, "--workload", "torch-mlp-1", "--format", "ndjson").stdout
    objects = [json.loads(line) for line in lines.splitlines()]
    assert len(rows) == len(objects) == 1206 + 186 + 1812
    assert [float(row["value"]) for row in rows] == [point["value"] for point in objects]


@pytest.mark.slow
@pytest.mark.parametrize("attempt", ["current", "all"])
def test_export_writes_what_the_api_answers(
    database: str, tmp_path: Path, serve: StartDaemon, attempt: str
) -> None:
    path = shutil.copy(database, tmp_path / "x.db")
    daemon = serve("--once", str(DATA / "runs" / "keras-1"), "--db", str(path))
    query = f"{daemon.base}/api/v1/workloads/torch-mlp-1/metrics/data?format=csv&attempt={attempt}"
    with urllib.request.urlopen(query, timeout=30) as answer:
        expected = answer.read().decode()
    done = lensd(
        "export", "--db", str(path), "--workload", "torch-mlp-1", "--format", "csv", "--attempt", attempt
    )
    assert done.stdout == expected
    columns = "metric_name,value,timestamp,iteration,data_source"
    assert done.stdout.startswith(columns + (",attempt\n" if attempt == "all" else "\n"))


def test_export_into_a_closed_pipe_is_no_error(database: str) -> None:
    command = (
        f"{sys.executable} -m lensd export --db {database} --workload torch-mlp-1 --format csv | head -1"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command", ["", "serve", "ingest", "sources", "runs", "export", "run", "hook install", "hook flush"]
)
def test_help_teaches(command: str) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "lensd " in done.stdout.split("Usage:", 1)[1].split("\n", 1)[1], "an example is shown"


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def test_the_list_of_commands_says_what_they_say_of_themselves() -> None:
    for name, (_, _, text) in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert (command.name, command.get_short_help_str(200)) == (name, text)


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_what_needs_no_command_imports_none(flag: str) -> None:
    program = f"""if True:
        import sys
        from lensd.cli import main
        try:
            main([{flag!r}])
        except SystemExit:
            print(*sys.modules, sep=chr(10), file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert not {"numpy", "sqlite3", "msgspec", "aiohttp"} & set(loaded)
    assert {name for name in loaded if name.startswith("lensd")} == {"lensd", "lensd.cli", "lensd.cli.main"}


def test_every_command_and_flag_is_documented() -> None:
    documented = (ROOT / "docs" / "commands.md").read_text()
    for name, command in commands(main):
        assert f"lensd {name} " in documented
        usage = CliRunner().invoke(command, ["--help"]).stdout
        for flag in re.findall(r"(--[a-z]+)", usage):
            assert flag in documented or flag == "--help", flag


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    done = lensd("ingest", str(tmp_path / "nowhere"), "--db", str(tmp_path / "x.db"))
    assert done.returncode == 1
    assert "nowhere: no such file or directory" in done.stderr


def test_a_folder_without_runs(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = lensd("ingest", str(empty), "--db", str(tmp_path / "x.db"))
    assert "no runs found in" in refusal(done, 1)


def test_a_binary_file_named_log(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "exp"
    folder.mkdir(parents=True)
    (folder / "train.log").write_bytes(os.urandom(1 << 16))
    done = lensd("ingest", str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"))
    assert "exp/train.log" in refusal(done, 1)


def test_a_port_in_use_leaves_the_database_alone(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = lensd("serve", RUNS, "--port", str(port), "--db", str(tmp_path / "x.db"))
    assert f"cannot listen on 127.0.0.1:{port}" in refusal(done, 4)
    assert not (tmp_path / "x.db").exists()


@pytest.mark.slow
def test_two_daemons_on_one_database(tmp_path: Path, serve: StartDaemon) -> None:
    serve(RUNS, "--db", str(tmp_path / "x.db"))
    done = lensd("serve", RUNS, "--port", "0", "--db", str(tmp_path / "x.db"))
    assert "is in use by another lensd" in refusal(done, 3)


@pytest.mark.slow
def test_a_corrupt_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database at all, but long enough to be read as one" * 99)
    for command in (("serve", RUNS, "--port", "0"), ("ingest", RUNS), ("runs",)):
        sentence = refusal(lensd(*command, "--db", str(tmp_path / "x.db")), 3)
        assert "is damaged or not a SQLite database" in sentence


def test_a_database_of_another_program(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE bills (amount)")
    db.close()
    assert "another program" in refusal(lensd("ingest", RUNS, "--db", str(tmp_path / "x.db")), 3)


@pytest.mark.slow
def test_a_database_of_a_newer_version(tmp_path: Path, database: str) -> None:
    path = tmp_path / "x.db"
    shutil.copy(database, path)
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('lensd', 'later', '')"
        )
    db.close()
    before = path.read_bytes()
    assert "written by a newer lensd" in refusal(lensd("serve", RUNS, "--port", "0", "--db", str(path)), 3)
    assert "written by a newer lensd" in refusal(lensd("runs", "--db", str(path)), 3)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_to() -> None:
    """Not even root may create files in /proc."""
    assert "cannot be written to" in refusal(lensd("ingest", RUNS, "--db", "/proc/x.db"), 3)


def test_a_read_only_database(tmp_path: Path, database: str) -> None:
    """A file that only the kernel may change stands in for a read-only medium."""
    path = tmp_path / "x.db"
    path.symlink_to("/proc/version")
    sentence = refusal(lensd("ingest", RUNS, "--db", str(path)), 3)
    assert str(path) in sentence


def test_a_database_that_is_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(lensd("ingest", RUNS, "--db", str(tmp_path)), 3)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A quota on the file stands in for the disk: what does not fit is refused, what was there stays."""
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1)); sys.argv = sys.argv[1:];"
        "from lensd.cli.main import main; main()"
    )
    path = tmp_path / "x.db"
    full = subprocess.run(
        [sys.executable, "-c", program, "200000", "ingest", RUNS, "--db", str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert full.returncode in (1, 3)
    assert "Traceback" not in full.stderr
    assert lensd("ingest", RUNS, "--db", str(path)).returncode == 0
    whole = lensd("export", "--db", str(path), "--workload", "torch-mlp-1", "--format", "csv").stdout
    assert len(whole.splitlines()) == 1 + 1206 + 186 + 1812


def test_a_mistyped_option_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("prot = 8080\n")
    sentence = refusal(lensd("serve", RUNS, "--config", str(tmp_path / "c.toml")), 2)
    assert "unknown option 'prot'; did you mean 'port'?" in sentence


def test_flags_win_over_the_environment_over_the_file(tmp_path: Path, serve: StartDaemon) -> None:
    (tmp_path / "c.toml").write_text(f'db = "{tmp_path}/file.db"\nworkload = "file"\n')
    env = os.environ | {"LENSD_WORKLOAD": "environment", "WORKLOAD_UID": "pod"}
    daemon = serve(
        str(DATA / "runs" / "xgboost-1"), "--once", "--config", str(tmp_path / "c.toml"),
        "--db", str(tmp_path / "flag.db"), env=env,
    )  # fmt: skip
    assert [workload["uid"] for workload in daemon.get("/v1/workloads")["workloads"]] == ["environment"]
    assert (tmp_path / "flag.db").exists()
    assert not (tmp_path / "file.db").exists()


def test_the_default_database_is_one_for_each_set_of_roots(tmp_path: Path, serve: StartDaemon) -> None:
    env = os.environ | {"XDG_DATA_HOME": str(tmp_path)}
    daemon = serve(str(DATA / "runs" / "xgboost-1"), "--once", env=env)
    assert any(line.startswith(f"database {tmp_path}/lensd/xgboost-1-") for line in daemon.lines)


@pytest.mark.slow
def test_several_ports_are_bound(tmp_path: Path, serve: StartDaemon) -> None:
    daemon = serve(str(DATA / "runs" / "xgboost-1"), "--once", "--port", "0", "--db", str(tmp_path / "x.db"))
    assert daemon.stop() == 0
    assert sum("listening on" in line for line in daemon.lines) == 2


@pytest.mark.slow
def test_a_database_can_be_read_while_a_daemon_writes_it(tmp_path: Path, serve: StartDaemon) -> None:
    serve(RUNS, "--db", str(tmp_path / "x.db"))
    store = Store.open(tmp_path / "x.db", read_only=True)
    with store.read() as reader:
        assert reader.workloads()
    store.close()
    assert lensd("runs", "--db", str(tmp_path / "x.db")).returncode == 0
