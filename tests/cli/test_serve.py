"""`lensd serve` as the companion of a job, and `lensd health`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lensd.cli import main
from tests.conftest import StartDaemon

pytestmark = pytest.mark.slow  # each starts daemons


def test_it_ends_with_a_job_and_reads_its_last_byte(serve: StartDaemon, tmp_path: Path) -> None:
    runs, report, database = tmp_path / "runs", tmp_path / "report.html", tmp_path / "x.db"
    runs.mkdir()
    daemon = serve(
        str(runs), "--db", str(database), "--exit-with", str(tmp_path / "done"), "--report", str(report)
    )
    lines = "".join(f"step {step} loss {1 / (step + 1):.6f}\n" for step in range(5000))
    (runs / "train.log").write_text(lines + "step 5000 loss 0.5")  # no newline: the job was killed
    (tmp_path / "done").touch()
    assert daemon.process.wait(60) == 0
    assert daemon.listener
    daemon.listener.join()
    assert any("done is there: reading what is left" in line for line in daemon.lines)
    exported = CliRunner().invoke(
        main, ["export", "--db", str(database), "--workload", "runs", "--format", "csv"]
    )
    assert exported.output.count("\n") == 5002
    assert "0.5 @ 5000" in report.read_text()


def test_a_wrong_job_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main,
        ["serve", str(tmp_path), "--port", "0", "--db", str(tmp_path / "x.db"), "--exit-with", "idle=soon"],
    )
    assert result.exit_code == 2
    assert "write the time as in idle=10m" in result.output


def test_health(serve: StartDaemon, tmp_path: Path) -> None:
    daemon = serve(str(tmp_path), "--db", str(tmp_path / "x.db"))
    command = [sys.executable, "-m", "lensd", "health"]
    up = subprocess.run([*command, daemon.base], capture_output=True, text=True)
    assert (up.returncode, up.stdout) == (0, f"{daemon.base}/readyz: 200 ready\n")
    port = re.findall(r"\d+", daemon.base)[-1]
    by_environment = subprocess.run(
        command, env={"LENSD_PORT": port, "PATH": "/usr/bin"}, capture_output=True
    )
    assert by_environment.returncode == 0
    daemon.stop()
    down = subprocess.run([*command, daemon.base], capture_output=True, text=True)
    assert down.returncode == 1
    assert "Connection refused" in down.stderr
    assert CliRunner().invoke(main, ["health", "nonsense"]).exit_code == 2
