"""The spool as an input of a daemon: it keeps every promise that adapters make."""

from __future__ import annotations

import math
from pathlib import Path

from lensd.discovery import Roots
from lensd.hook.spool import Spool
from lensd.hook.spool_format import Row, row_lines
from lensd.testing import AdapterContract, Reading
from lensd_wandb.spool import SpoolAdapter

IDENTITY = {"workload_uid": "exp", "pod_uid": "", "pod_name": "", "run_id": "abc"}


def write(folder: Path, identity: dict[str, str] = IDENTITY) -> Path:
    """A spool as the hook writes it."""
    spool = Spool(str(folder), identity, 1 << 20)
    spool.append(
        row_lines([Row(step, 1.8e9 + step, {"loss": 1 / (step + 1), "opt.lr": 0.1}) for step in range(50)])
    )
    spool.forget()
    return Path(spool.path)


class TestSpool(AdapterContract):
    def adapter(self) -> SpoolAdapter:
        return SpoolAdapter()

    def write_sample(self, folder: Path) -> Path:
        return write(folder)


def test_what_the_hook_wrote_is_read(tmp_path: Path) -> None:
    write(tmp_path / "wandb" / "lensd-spool", {**IDENTITY, "workload_uid": "team/job 7@x"})
    adapter = SpoolAdapter()
    (input,) = adapter.discover(Roots([str(tmp_path)]))
    assert input.workload == "team/job 7@x"
    reading = Reading(adapter, input).drain()
    assert reading.values["loss"] == [(step, repr(1 / (step + 1))) for step in range(50)]
    assert reading.batches[0].series["loss"].points.ts_ms[0] == 1.8e12


def test_long_names_that_begin_alike_stay_apart(tmp_path: Path) -> None:
    names = {"team/" * 30 + end for end in ("a", "b")}
    for number, name in enumerate(sorted(names)):
        write(tmp_path / str(number), {**IDENTITY, "workload_uid": name})
    assert {input.workload for input in SpoolAdapter().discover(Roots([str(tmp_path)]))} == names


def test_a_workload_given_to_the_daemon_wins(tmp_path: Path) -> None:
    write(tmp_path)
    (input,) = SpoolAdapter().discover(Roots([str(tmp_path)], workload="mine"))
    assert input.workload == "mine"


def test_nan_and_infinity_are_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    with path.open("a") as file:
        file.write('{"step":50,"timestamp":1800000050.0,"metrics":{"loss":NaN,"opt.lr":-Infinity}}\n')
    (input,) = SpoolAdapter().discover(Roots([str(tmp_path)]))
    series = Reading(SpoolAdapter(), input).step().series
    assert math.isnan(series["loss"].points.value[-1])
    assert series["opt.lr"].points.value[-1] == -math.inf
