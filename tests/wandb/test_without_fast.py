"""The folder `fast` of the adapter can be deleted."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import DATA
from tests.fast_path import read_with_and_without_fast


def test_without_the_fast_path_every_batch_is_the_same(tmp_path: Path) -> None:
    paths = sorted(DATA.rglob("*.wandb"))
    assert len(paths) == 5
    fast, plain = read_with_and_without_fast(
        "lensd_wandb.adapter:WandbAdapter", "lensd_wandb", paths, tmp_path
    )
    assert fast == plain
    assert all(batches[0]["series"] for batches in fast)
