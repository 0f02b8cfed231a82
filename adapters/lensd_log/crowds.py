"""Crowds of files: more files of one kind than trainings write are a data set, whatever each of them holds.

No file is opened to find one. A crowd makes one input, which is never read, so that thousands of labels or
texts beside a training cost no more than walking past them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from lensd.discovery import File, Roots
from lensd.model import SET_ASIDE, Batch, Input
from lensd_log import files

MOST = 300  #: names that files of one kind may have in a workload
MOST_ALIKE = 10_000  #: files of one kind below a root, of whatever names (`run-7/metrics.csv`)
_SIGN = "*"


def split(streams: Iterable[File], roots: Roots) -> tuple[list[File], list[File]]:
    """The streams that are inputs of their own; and one stand-in for each crowd, named `*.json`, say.

    A crowd is told by the kind of file, that is its suffix, within a workload. What the user named, and what
    is named like a log, is in none.
    """
    single: list[File] = []
    kinds: dict[tuple[str, str], list[File]] = {}
    for stream in streams:
        if roots.chosen or stream.chosen or not files.says_nothing(stream.name):
            single.append(stream)
        else:
            suffix = os.path.splitext(stream.name)[1].lower()
            kinds.setdefault((stream.root, suffix), []).append(stream)
    crowds: list[File] = []
    for (root, suffix), members in kinds.items():
        if len(members) > MOST_ALIKE:
            crowds.append(_stand_in(members[0], root, suffix))
            continue
        workloads: dict[str, list[File]] = {}
        for member in members if len(members) > MOST else ():
            workloads.setdefault(roots.claim(member).folder or root, []).append(member)
        for folder, own in workloads.items():
            if len({member.name for member in own}) > MOST:
                crowds.append(_stand_in(own[0], folder, suffix))
            else:
                single += own
        if not workloads:
            single += members
    return single, crowds


def _stand_in(member: File, folder: str, suffix: str) -> File:
    inner = os.path.relpath(folder, member.root)
    parts = () if inner == "." else tuple(inner.split(os.sep))
    return replace(member, name=_SIGN + suffix, path=os.path.join(folder, _SIGN + suffix), parts=parts)


def set_aside(input: Input) -> Batch | None:
    """The empty batch of a crowd; None for an input that is none."""
    if not os.path.basename(input.path).startswith(_SIGN):
        return None
    return Batch(
        cursor=b"{}",
        log_format=SET_ASIDE,
        note=f"not read, as more than {MOST} files of one kind look like a data set; to have one read, name"
        " it on the command line or in a [[source]]",
    )
