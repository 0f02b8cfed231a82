"""The folder `fast` of the adapter can be deleted."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import DATA
from tests.fast_path import read_with_and_without_fast
from tests.tensorboard.writing import event, float_content, simple, tensor, version


def test_without_the_fast_path_every_batch_is_the_same(tmp_path: Path) -> None:
    written = tmp_path / "events.out.tfevents.1"
    rows = []
    for step in range(3000):
        rows += [event(1_795_000_000.0 + step / 8, step, simple(tag, step)) for tag in (b"loss", b"acc")]
        if step % 7 == 0:
            rows.append(event(1_795_000_000.0 + step / 8, step, tensor(b"val", float_content(step))))
    written.write_bytes(version() + b"".join(rows))
    paths = [written, *sorted((DATA / "runs").rglob("*tfevents*"))]
    assert len(paths) == 10
    fast, plain = read_with_and_without_fast(
        "lensd_tensorboard:TensorBoardAdapter", "lensd_tensorboard", paths, tmp_path / "copy"
    )
    assert fast == plain
    assert all(batches[0]["series"] for batches in fast)
