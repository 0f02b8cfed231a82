"""With the folder `lensd_log/fast` deleted, the log adapter gives the same points, only slower."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lensd_log.adapter import block_reader
from lensd_log.recognition import Recognition
from tests.conftest import ROOT
from tests.log.reading import everything, read, write
from tests.log.test_columns import huggingface, megatron
from tests.log.test_golden import GOLDEN, NAMES

RUNS = ROOT / "tests" / "data" / "runs"

READ_ALL = """if True:
    import importlib.util, json, sys
    from pathlib import Path
    assert importlib.util.find_spec("lensd_log.fast") is None
    from tests.log.reading import everything, read
    print(json.dumps({path: repr(everything(read(Path(path)))) for path in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Golden logs, repeated until blocks are worth it; two long logs; the logs of the sample runs."""
    folder = tmp_path_factory.mktemp("logs")
    paths = []
    for name in NAMES:
        (folder / name).mkdir()
        file = "events.jsonl" if name == "runicorn" else f"{name}.log"
        paths.append(write(folder / name / file, (GOLDEN / f"{name}.log").read_bytes() * 40))
    for lines in (megatron, huggingface):
        text = "\n".join(lines(random.Random(1), 2000)) + "\n"
        paths.append(write(folder / f"{lines.__name__}.log", text.encode()))
    paths += sorted(path for path in RUNS.rglob("*") if path.suffix in (".log", ".csv"))
    return [str(path) for path in paths]


@pytest.mark.slow
def test_without_the_fast_path_every_log_gives_the_same(logs: list[str], tmp_path: Path) -> None:
    without = shutil.ignore_patterns("fast", "__pycache__")
    shutil.copytree(ROOT / "adapters" / "lensd_log", tmp_path / "lensd_log", ignore=without)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *logs],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    slow = json.loads(done.stdout)
    assert block_reader(Recognition((), None)) is not None
    for path in logs:
        assert repr(everything(read(Path(path)))) == slow[path], path
