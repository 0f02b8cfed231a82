"""Rows with named fields: what makes them records of training, also in a file that the user has named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lensd.model import SET_ASIDE
from tests.log.precision.data_sets import FORMS, RECORDS, delimited, lines
from tests.log.reading import Point, read, write
from tests.log.test_discovery_content import walk_and_read

Row = dict[str, str | int | float]


def points_of(path: Path, text: str) -> dict[str, list[Point]]:
    return read(write(path, text.encode()), final=True).points


@pytest.mark.parametrize("form", ["data.csv", "semicolons.csv", "data.tsv", "data.jsonl"])
@pytest.mark.parametrize("name", RECORDS)
def test_a_data_set_gives_no_points(name: str, form: str, tmp_path: Path) -> None:
    rows = [RECORDS[name](number) for number in range(120)]
    assert points_of(tmp_path / "named.log", FORMS[form](rows)) == {}


@pytest.mark.parametrize("form", ["dicts.txt", "logfmt.txt", "pairs.txt", "insert.sql.txt"])
@pytest.mark.parametrize("name", ["reviews", "rollouts", "preferences", "texts"])
def test_lines_with_texts_give_no_points(name: str, form: str, tmp_path: Path) -> None:
    rows = [RECORDS[name](number) for number in range(200)]
    assert points_of(tmp_path / "named.log", FORMS[form](rows)) == {}


def test_a_list_in_yaml_that_nobody_names_is_not_read(tmp_path: Path) -> None:
    rows = [RECORDS["rollouts"](number) for number in range(200)]
    path = write(tmp_path / "records.txt", FORMS["records.yaml.txt"](rows).encode())
    assert walk_and_read(path).last.log_format == SET_ASIDE


#: Rows of training that leave a doubt: a counter that may be a setting, and names that say nothing.
DOUBTFUL: dict[str, Callable[[int], Row]] = {
    "names": lambda n: {"iteration": n * 10, "D_A": n / 2, "cycle_A": n / 4},
    "counter": lambda n: {"batch": n, "loss": n / 2},
}


@pytest.mark.parametrize("write_rows", [lines, lambda rows: delimited(rows, ",")])
@pytest.mark.parametrize("name", DOUBTFUL)
def test_rows_in_doubt_are_all_read_once_their_counter_counts(
    name: str, write_rows: Callable[[list[Row]], str], tmp_path: Path
) -> None:
    rows = [DOUBTFUL[name](number) for number in range(40)]
    names = list(rows[0])
    expected = {key: [(int(row[names[0]]), row[key]) for row in rows] for key in names[1:]}
    assert points_of(tmp_path / "x.log", write_rows(rows)) == expected
    few = {key: points[:3] for key, points in expected.items()}
    assert points_of(tmp_path / "y.log", write_rows(rows[:3])) == few


def test_rows_in_doubt_are_given_when_the_file_rests(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", lines(DOUBTFUL["names"](number) for number in range(3)).encode())
    reading = read(path)
    assert (reading.points, reading.last.waits) == ({}, True)
    read(path, reading, now_ms=4e12)
    assert [step for step, _ in reading.points["D_A"]] == [0, 10, 20]
    assert not reading.last.waits


def test_numbers_in_strings_are_numbers_but_not_identifiers(tmp_path: Path) -> None:
    rows = [{"step": str(n), "loss": f"{n / 2}", "job_id": "12345", "date": "20240101"} for n in range(3)]
    assert points_of(tmp_path / "x.jsonl", lines(rows)) == {"loss": [(0, 0.0), (1, 0.5), (2, 1.0)]}


TABLES = {
    "semicolons": "Epoch;Train Loss;Val Acc\n1;0,5;0,25\n2;0,25;0,5\n",
    "tabs": "Epoch\tTrain Loss\tVal Acc\n1\t0.5\t0.25\n2\t0.25\t0.5\n",
    "index": ",Epoch,Train Loss,Val Acc\n0,1,0.5,0.25\n1,2,0.25,0.5\n",
    "text": "Epoch,Train Loss,Val Acc,model\n1,0.5,0.25,net\n2,0.25,0.5,net\n",
    "quoted": '"Epoch","Train Loss","Val Acc"\n"1","0.5","0.25"\n"2","0.25","0.5"\n',
    "UTF-8 mark": "\ufeffEpoch,Train Loss,Val Acc\n1,0.5,0.25\n2,0.25,0.5\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_read_whatever_sets_its_cells_apart(kind: str, tmp_path: Path) -> None:
    expected = {"Train Loss": [(1, 0.5), (2, 0.25)], "Val Acc": [(1, 0.25), (2, 0.5)]}
    assert points_of(tmp_path / "x.csv", TABLES[kind]) == expected


#: What frameworks and dashboards write, and one metric of each.
WRITTEN: dict[str, tuple[str, str, list[Point]]] = {
    "run-a-tag-train_loss.csv": (
        "Wall time,Step,Value\n1710072000.5,0,0.5\n1710072001.5,10,0.25\n",
        "train_loss",
        [(0, 0.5), (10, 0.25)],
    ),
    "wandb_export.csv": (
        '"Step","a - _step","a - loss","a - loss__MIN","a - loss__MAX"\n"0","0","2.5","2.5","2.5"\n'
        '"10","10","1.5","1.5","1.5"\n',
        "a - loss",
        [(0, 2.5), (10, 1.5)],
    ),
    "monitor.csv": (
        '#{"t_start": 1710072000.0, "env_id": "CartPole-v1"}\nr,l,t\n21.0,21,0.5\n12.0,12,1.5\n',
        "r",
        [(1, 21.0), (2, 12.0)],
    ),
    "progress.csv": (
        "episode_reward_mean,training_iteration,timesteps_total,date,hostname,hist_stats/episode_reward\n"
        + f'22.5,1,4000,2024-03-10_12-00-00,node,"{[22.5] * 90}"\n'
        + f'40.5,2,8000,2024-03-10_12-01-00,node,"{[40.5] * 90}"\n',
        "episode_reward_mean",
        [(1, 22.5), (2, 40.5)],
    ),
    "history.csv": (
        "epoch,train_loss,valid_loss,accuracy,time\n0,0.5,0.6,0.7,00:10\n1,0.25,0.5,0.8,00:10\n",
        "valid_loss",
        [(0, 0.6), (1, 0.5)],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_of_a_known_writer_has_its_names_and_steps(name: str, tmp_path: Path) -> None:
    text, metric, expected = WRITTEN[name]
    points = points_of(tmp_path / name, text)
    assert points[metric] == expected
    assert not {"<file>", "a - _step", "a - loss__MIN"} & {*points}


def test_an_episode_of_a_monitor_has_its_time(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "monitor.csv", WRITTEN["monitor.csv"][0].encode()))
    assert reading.times["r"] == [1710072000500.0, 1710072001500.0]


def test_lines_of_metrics_beside_texts_of_the_logger_are_records(tmp_path: Path) -> None:
    rows = [{"level": "info", "msg": "trained a batch", "logger": "main", "loss": n / 2} for n in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert points_of(tmp_path / "x.log", text) == {"loss": [(1, 0.0), (2, 0.5), (3, 1.0)]}


def test_a_table_without_a_header_has_the_name_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "scalars").mkdir()
    path = write(tmp_path / "scalars" / "loss_actor.csv", b"0,0.5\n10,0.25\n20,0.125\n")
    reading = walk_and_read(path)
    assert reading.points == {"loss_actor": [(0, 0.5), (10, 0.25), (20, 0.125)]}
    assert walk_and_read(write(path, b"5,2.5\n"), reading).points["loss_actor"][3:] == [(5, 2.5)]
