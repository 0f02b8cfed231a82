"""W&B files that lie together: bare ones, several runs of one workload, and event files beside them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from tensorboardX import SummaryWriter

from lensd.query import lens
from lensd.query.results import Selection
from lensd_tensorboard import TensorBoardAdapter
from lensd_wandb.adapter import WandbAdapter
from tests.reading import read_all
from tests.wandb.test_files import FILES, chunk, message, row_of, varint

BEGAN = 1_790_000_000


def write(
    path: Path, run_id: str, steps: Iterable[int], began: int = BEGAN, exit_code: int | None = 0
) -> None:
    """A file as the SDK frames it: the run, a row a step, and the exit code unless the run was killed."""
    started = message(17, b"\x08" + varint(began))
    records = [message(17, message(1, run_id.encode()) + started)]
    for step in steps:
        row = [(["loss"], str(1 / (step + 1))), (["_timestamp"], str(float(began + step)))]
        records.append(message(2, row_of(row, nested=True, step=step)))
    if exit_code is not None:
        records.append(message(18, b"\x08" + varint(exit_code)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b":W&B\xe1\xbe\x00" + b"".join(chunk(1, record) for record in records))


def run_folder(name: str, number: int) -> str:
    return f"exp/wandb/offline-run-2026112{number}_021513-{name}/run-{name}.wandb"


def steps_of(tmp_path: Path) -> tuple[dict[str, list[int]], dict[str, str]]:
    """The steps of `loss` in each workload, and why each input is where it is."""
    store = read_all(tmp_path / "runs", TensorBoardAdapter(), WandbAdapter())
    result: dict[str, list[int]] = {}
    with store.read() as reader:
        for workload in lens.workloads(reader, None, None):
            answer = lens.points(reader, workload.uid, Selection(data_sources=frozenset({"wandb"})))[1]
            result[workload.uid] = [step for part in answer for step in part.iteration.tolist()]
        whys = {input.name: input.why for input in lens.inputs(reader, None)}
    store.close()
    return result, whys


@pytest.mark.parametrize("below", ["", "copies/"])
def test_bare_files_are_runs_by_the_id_inside_however_many_lie_together(tmp_path: Path, below: str) -> None:
    write(tmp_path / f"runs/{below}a.wandb", "first", range(5))
    write(tmp_path / f"runs/{below}b.wandb", "second", range(3))
    steps, whys = steps_of(tmp_path)
    assert steps == {"first": [0, 1, 2, 3, 4], "second": [0, 1, 2]}
    assert set(whys.values()) == {"W&B file by the run id inside it"}


def test_files_of_every_sdk_tell_their_id(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for path in FILES.glob("*.wandb"):
        shutil.copy(path, tmp_path / "runs")
    steps, _ = steps_of(tmp_path)
    assert len(steps) == 3
    assert all(len(of_run) > 100 for of_run in steps.values())


def test_several_runs_in_one_folder_are_as_many_runs(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        write(tmp_path / "runs" / run_folder(name, number), name, range(3 + number), BEGAN + 1000 * number)
    steps, whys = steps_of(tmp_path)
    assert steps == {
        "exp": [0, 1, 2],
        "exp-offline-run-20261121_021513-b": [0, 1, 2, 3],
        "exp-offline-run-20261122_021513-c": [0, 1, 2, 3, 4],
    }
    assert whys[run_folder("b", 1)] == "a run of its own: it begins at step 0 anew"


def test_a_run_that_was_killed_and_began_again_is_one(tmp_path: Path) -> None:
    write(tmp_path / "runs" / run_folder("a", 1), "a", range(5), exit_code=None)
    write(tmp_path / "runs" / run_folder("a", 2), "a", range(8), BEGAN + 1000)
    steps, whys = steps_of(tmp_path)
    assert steps == {"exp": [0, 1, 2, 3, 4, 5, 6, 7]}
    assert "the same run a as offline-run-20261121_021513-a, which did not finish" in whys[run_folder("a", 2)]


def test_a_resumed_run_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "runs" / run_folder("a", 1), "a", range(5))
    write(tmp_path / "runs" / run_folder("a", 2), "a", range(5, 9), BEGAN + 1000)
    assert steps_of(tmp_path)[0] == {"exp": list(range(9))}


def test_folders_of_a_resumed_run_straight_below_the_root_are_one_run(tmp_path: Path) -> None:
    for number, (name, steps) in enumerate((("a", range(5)), ("b", range(3)), ("a", range(5, 9)))):
        path = run_folder(name, number).removeprefix("exp/")
        write(tmp_path / "runs" / path, name, steps, BEGAN + 1000 * number)
    assert steps_of(tmp_path)[0] == {"a": list(range(9)), "b": [0, 1, 2]}


def test_event_files_and_wandb_files_of_one_training_are_one_run(tmp_path: Path) -> None:
    for number, name in enumerate(("lr0.1", "lr0.01")):
        began = int(time.time())
        with SummaryWriter(str(tmp_path / "runs" / "exp" / "tb" / name)) as writer:
            for step in range(3):
                writer.add_scalar("train/loss", 1.0, step)
        write(tmp_path / "runs" / run_folder(name[-2:].strip("."), number), name, range(4), began)
    steps, whys = steps_of(tmp_path)
    assert steps == {"exp": [0, 1, 2, 3], "exp-lr0.01": [0, 1, 2, 3]}
    assert sorted(whys.values())[1] == "began together with exp"
