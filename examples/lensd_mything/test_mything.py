"""The adapter holds lensd's contract."""

from __future__ import annotations

from pathlib import Path

from lensd.testing import AdapterContract
from lensd_mything import MyThingAdapter


class TestMyThing(AdapterContract):
    def adapter(self) -> MyThingAdapter:
        return MyThingAdapter()

    def write_sample(self, folder: Path) -> Path:
        path = folder / "run.mything"
        path.write_text("".join(f"{step} loss {1 / (step + 1)}\n" for step in range(50)))
        return path
