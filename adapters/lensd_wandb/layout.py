"""The W&B files of all workloads: which runs they are.

A file in a W&B run folder belongs to the workload around it; several are attempts or runs of their own (see
`lensd.run_folders`). A bare file is the run whose id it holds, however many lie beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from lensd.discovery import WANDB_FOLDER, File, Roots
from lensd.model import SeriesBuilder
from lensd.run_folders import Extent, RunFolder, tell_apart
from lensd.tail.binary import Snapshot
from lensd.tail.protobuf import WireError
from lensd_wandb.frames import BLOCK, MAGIC, frames
from lensd_wandb.history import History
from lensd_wandb.records import EXIT, HISTORY, RUN, Facts, content

_HEAD, _TAIL = 4 * BLOCK, 2 * BLOCK  # bytes to look at


def wandb_files(roots: Roots) -> Iterable[File]:
    """`*.wandb` files."""
    for file in roots.files(lambda name: name.endswith(".wandb")):
        if file.name.endswith(".wandb"):  # the user may have named any file
            yield file


class RunFiles:
    """Arranges the files of each scan. A look into a file is kept until the file changes."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[tuple[int, int], _Look]] = {}

    def arrange(self, roots: Roots) -> None:
        """Tell the roots which files are runs of their own."""
        below: dict[tuple[str, str], list[File]] = {}
        for file in wandb_files(roots):
            claim, file = roots.claim(file), roots.place(file)
            is_run_folder = WANDB_FOLDER.match(os.path.basename(file.folder))
            if is_run_folder and claim.folder not in ("", file.folder):
                below.setdefault((claim.workload, claim.folder), []).append(file)
            elif not is_run_folder and not roots.workload:
                run_id = self._look(file).run_id
                if run_id:
                    why = "W&B file by the run id inside it"
                    roots.assign(file.path, run_id, why, folder=file.folder)
        folders = []
        for (workload, claims), files in below.items():
            if len(files) > 1 or (workload, claims) in roots.runs:
                folders += [RunFolder(f.folder, workload, claims, self._look(f).extent) for f in files]
        tell_apart(roots, folders)

    def _look(self, file: File) -> _Look:
        key = file.size, file.mtime_ns
        kept = self._looks.get(file.path)
        if kept is None or kept[0] != key:
            try:
                look = _look_into(file.path)
            except OSError:  # gone, or not readable: `read` says why
                look = _Look()
            kept = self._looks[file.path] = key, look
        return kept[1]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the ends of a file tell."""

    run_id: str = ""
    extent: Extent | None = None


def _look_into(path: str) -> _Look:
    facts, rows = Facts(), History(SeriesBuilder(), None, 0.0)
    steps: list[int] = []
    with open(path, "rb", buffering=0) as opened:
        file = Snapshot(opened)
        if file.read(0, len(MAGIC)) != MAGIC:
            return _Look()
        _read(frames(file.read(len(MAGIC), _HEAD), len(MAGIC), _HEAD).records, facts, rows, steps)
        begin = (file.size - _TAIL) // BLOCK * BLOCK
        if begin > 0:
            tail = frames(file.read(begin, 2 * _TAIL), begin, 2 * _TAIL, lost=True)
            _read(tail.records, facts, rows, steps)
    started = facts.facts.get("start_time")
    run_id = str(facts.facts.get("run_id") or "")
    if not steps or not isinstance(started, float):
        return _Look(run_id)
    later = next((step for step in steps if step != steps[0]), steps[0] + 1)
    finished = facts.facts.get("exit_code") == 0
    return _Look(run_id, Extent(started, steps[0], max(steps), abs(later - steps[0]), run_id, finished))


def _read(records: Iterable[bytes], facts: Facts, rows: History, steps: list[int]) -> None:
    for record in records:
        try:
            kind, begin, end = content(record)
            if kind == RUN:
                facts.run(record, begin, end)
            elif kind == EXIT:
                facts.exit(record, begin, end)
            elif kind == HISTORY and rows.add(record, begin, end, 0) and rows.step is not None:
                steps.append(rows.step)
        except WireError:
            continue
