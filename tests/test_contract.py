"""Our own adapters hold what we ask of any adapter."""

from __future__ import annotations

import shutil
from pathlib import Path

from lensd.testing import AdapterContract
from lensd_log import LogAdapter
from lensd_tensorboard import TensorBoardAdapter
from tests.conftest import DATA


class TestKeyValueLog(AdapterContract):
    def adapter(self) -> LogAdapter:
        return LogAdapter()

    def write_sample(self, folder: Path) -> Path:
        return Path(shutil.copy(DATA / "runs" / "torch-mlp-1" / "train.log", folder))


class TestProgressBarLog(AdapterContract):
    def adapter(self) -> LogAdapter:
        return LogAdapter()

    def write_sample(self, folder: Path) -> Path:
        return Path(shutil.copy(DATA / "runs" / "hf-gpt2-1" / "train.log", folder))


class TestRunicornEvents(AdapterContract):
    def adapter(self) -> LogAdapter:
        return LogAdapter()

    def write_sample(self, folder: Path) -> Path:
        run = DATA / "runicorn-run" / "demo" / "exp" / "20261120_200054_5d0e33"
        path = folder / "events.jsonl"
        path.write_bytes(b"".join((run / "events.jsonl").read_bytes().splitlines(keepends=True)[:60]))
        return path


class TestEventFile(AdapterContract):
    def adapter(self) -> TensorBoardAdapter:
        return TensorBoardAdapter()

    def write_sample(self, folder: Path) -> Path:
        (source,) = (DATA / "runs" / "hf-gpt2-1" / "runs").iterdir()
        return Path(shutil.copy(source, folder))


class TestTensorEventFile(AdapterContract):
    def adapter(self) -> TensorBoardAdapter:
        return TensorBoardAdapter()

    def write_sample(self, folder: Path) -> Path:
        (source,) = (DATA / "runs" / "keras-1" / "logs" / "custom").iterdir()
        return Path(shutil.copy(source, folder))
