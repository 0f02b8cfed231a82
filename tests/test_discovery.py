"""What a walk of the folders leaves alone: files on which a read might never end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lensd.discovery import Roots

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files of the kernel in folders")


@linux
@pytest.mark.parametrize("target", ["/proc/kmsg", "/proc/version", "/sys/kernel/notes", "/dev/null"])
def test_a_link_to_a_file_of_the_kernel_is_no_input(tmp_path: Path, target: str) -> None:
    (tmp_path / "train.log").write_text("step 1 | loss: 0.5\n")
    (tmp_path / "kernel.log").symlink_to(target)
    assert [file.name for file in Roots([str(tmp_path)]).files()] == ["train.log"]


@linux
def test_a_link_to_a_folder_of_the_kernel_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "exp1").mkdir()
    (tmp_path / "exp1" / "self").symlink_to("/proc/self")
    assert list(Roots([str(tmp_path)]).files()) == []


@linux
def test_such_a_path_is_refused_by_name() -> None:
    roots = Roots(["/proc/version", "/dev/null"])
    assert list(roots.files()) == []
    assert [sentence.endswith("it is not read") for sentence in roots.problems.values()] == [True, True]


def test_a_fifo_is_no_input_wherever_it_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.log")
    for path in (tmp_path, tmp_path / "train.log"):
        assert list(Roots([str(path)]).files()) == []


def test_a_link_out_of_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pod.log").write_text("step 1 | loss: 0.5\n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "pod.log").symlink_to(tmp_path / "elsewhere" / "pod.log")
    assert [file.name for file in Roots([str(tmp_path / "runs")]).files()] == ["pod.log"]
