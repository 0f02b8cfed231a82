"""Which workloads are listed."""

from pathlib import Path

from lensd.ingest.poller import AdapterSource, Poller
from lensd.query.runs import runs
from lensd.query.workloads import inputs, workloads
from lensd.store import Store
from lensd_log import LogAdapter


def test_a_folder_of_data_sets_is_no_workload_but_its_files_are_listed(tmp_path: Path) -> None:
    for folder, name, text in (
        ("run", "train.log", "step 1 loss=0.5\nstep 2 loss=0.25\n"),
        ("data", "words.csv", "id,word\n1,fox\n2,dog\n"),
        ("mixed", "train.log", "step 1 loss=0.5\nstep 2 loss=0.25\n"),
        ("mixed", "words.csv", "id,word\n1,fox\n2,dog\n"),
    ):
        (tmp_path / "runs" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / folder / name).write_text(text)
    store = Store.open(str(tmp_path / "x.db"))
    Poller(store, [AdapterSource(LogAdapter(), [str(tmp_path / "runs")])]).drain(final=True)
    with store.read() as reader:
        assert [workload.uid for workload in workloads(reader, None, None)] == ["mixed", "run"]
        assert sorted(run.id for run in runs(reader)) == ["mixed", "run"]
        formats = {input.name: input.log_format for input in inputs(reader, None)}
    assert formats["data/words.csv"] == formats["mixed/words.csv"] == "set aside"
    store.close()
