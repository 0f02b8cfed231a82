"""What a command prints under `lensd run`: in the same order as without it, and also when that is killed."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

LINES = 2000
#: Prints to stdout and stderr in turn, without buffers.
ALTERNATING = f"import os\nfor n in range({LINES}): os.write(1 + n % 2, b'%d\\n' % n)"
#: Runs a program as `lensd run` does, with a log.
RUN = """if True:
    import os, pathlib, sys
    from lensd.run import tee
    sys.exit(tee.run(sys.argv[2:], os.environ, pathlib.Path(sys.argv[1])))"""
EXPECTED = [b"%d" % n for n in range(LINES)]


def command(log: Path, program: str = ALTERNATING) -> list[str]:
    return [sys.executable, "-c", RUN, str(log), sys.executable, "-c", program]


def test_one_pipe_keeps_the_order(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "log"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    assert done.stdout.split() == EXPECTED
    assert (tmp_path / "log").read_bytes() == done.stdout


@pytest.mark.parametrize("opened", ["once", "twice"])
def test_one_file_keeps_the_order(tmp_path: Path, opened: str) -> None:
    with (tmp_path / "out").open("ab") as out, (tmp_path / "out").open("ab") as again:
        stderr: int | IO[Any] = subprocess.STDOUT if opened == "once" else again
        subprocess.run(command(tmp_path / "log"), stdout=out, stderr=stderr, check=True)
    assert (tmp_path / "out").read_bytes().split() == EXPECTED
    assert (tmp_path / "log").read_bytes().split() == EXPECTED


def test_different_files_get_what_is_theirs(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        subprocess.run(command(tmp_path / "log"), stdout=out, stderr=err, check=True)
    assert (tmp_path / "out").read_bytes().split() == EXPECTED[::2]
    assert (tmp_path / "err").read_bytes().split() == EXPECTED[1::2]
    assert sorted((tmp_path / "log").read_bytes().split()) == sorted(EXPECTED)


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_outputs_that_are_closed_are_in_the_log_alone(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command(tmp_path / "log")], capture_output=True, check=True
    )
    assert done.stdout.split() == ([] if "1" in closed else EXPECTED[::2])
    assert done.stderr.split() == ([] if "2>" in closed else EXPECTED[1::2])
    log = (tmp_path / "log").read_bytes().split()
    assert sorted(log) == sorted(EXPECTED)
    assert log == EXPECTED or closed != "1>&- 2>&-"


def pieces_of(descriptor: int) -> Iterator[bytes]:
    """What comes out of a pipe or a terminal, until the other side is closed."""
    with contextlib.suppress(OSError):  # a closed terminal fails where a pipe ends
        while data := os.read(descriptor, 1 << 16):
            yield data


def test_a_terminal_keeps_the_order(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(tmp_path / "log"), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    for data in pieces_of(ours):
        shown += data
    os.close(ours)
    assert process.wait() == 0
    assert shown.split() == EXPECTED
    assert (tmp_path / "log").read_bytes().split() == EXPECTED


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_the_command_outlives_whoever_kills_lensd_run(tmp_path: Path, kind: str) -> None:
    outlives = (
        "import os, time\n"
        "parent = os.getppid(); os.write(1, b'ready\\n')\n"
        "while os.getppid() == parent: time.sleep(0.005)\n"  # until there is no `lensd run` any more
        f"{ALTERNATING}\n"
        "open('done', 'w').close()"
    )
    ours, theirs = os.pipe() if kind == "pipe" else pty.openpty()
    process = subprocess.Popen(
        command(tmp_path / "log", outlives), stdout=theirs, stderr=theirs, cwd=tmp_path
    )
    os.close(theirs)
    shown = b""
    for data in pieces_of(ours):
        shown += data
        if shown.strip() == b"ready":
            process.send_signal(signal.SIGKILL)
            process.wait()
    os.close(ours)
    assert shown.split() == [b"ready", *EXPECTED]
    assert (tmp_path / "done").exists()
    assert (tmp_path / "log").read_bytes().split() == [b"ready", *EXPECTED]
