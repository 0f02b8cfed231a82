"""Reading with an adapter whose folder `fast` was deleted, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

_PROGRAM = """if True:
    import importlib, json, sys
    from lensd.adapter import Budget
    from lensd.model import Input
    package, module, name, *paths = sys.argv[1:]
    adapter = getattr(importlib.import_module(module), name)()
    files = []
    for path in paths:
        batches, cursor, more = [], None, True
        while more:
            input = Input("i", "w", adapter.data_source, adapter.name, path, path, "", "", structured=True)
            budget = Budget(bytes=1 << 40, points=1 << 40, seconds=1.0, clock=lambda: 0.0)
            batch = adapter.read(input, cursor, budget)
            cursor, more = batch.cursor, batch.more
            batches.append({
                "series": {
                    name: [repr(column.tolist()) for column in (
                        series.points.iteration, series.points.ts_ms, series.points.value, series.points.row
                    )]
                    for name, series in batch.series.items()
                },
                "rest": repr((cursor, batch.facts, batch.counts, batch.lines, batch.lag_bytes, batch.note)),
            })
        files.append(batches)
    print(json.dumps({"fast": package + ".fast" in sys.modules, "files": files}))
"""


def read_with_and_without_fast(
    adapter: str, package: str, paths: Iterable[Path], folder: Path
) -> tuple[Any, Any]:
    """All batches of each file, read by the adapter as it is and without its folder `fast`.

    adapter: `module:class`. folder: an empty one, for a copy of the package.
    """
    arguments = [package, *adapter.split(":"), *map(str, paths)]
    shutil.copytree(
        ROOT / "adapters" / package, folder / package, ignore=shutil.ignore_patterns("fast", "__pycache__")
    )
    outcomes = []
    for first in (ROOT / "adapters", folder):
        path = os.pathsep.join(map(str, (first, ROOT, ROOT / "adapters")))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *arguments],
            env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outcomes.append(json.loads(done.stdout))
    fast, plain = outcomes
    assert (fast["fast"], plain["fast"]) == (True, False)
    return fast["files"], plain["files"]
