"""Which of several run folders in one workload are attempts of one run, and which are runs of their own.

A run folder holds what one start of a training wrote: `runs/Nov26_02-15-13_host`, `version_1`, a W&B run. A
later one goes on with an earlier one if its steps go on there, or if it is the same run by its id and the
earlier one did not finish. Otherwise somebody has started another run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from lensd.discovery import Roots


@dataclass(frozen=True, slots=True)
class Extent:
    """What is known of the steps in a run folder.

    began_s: when it began, seconds since the epoch. first, last: steps. interval: between the first two of
    its steps that differ. run_id: what the writer calls the run, if anything. finished: it says that it
    ended well.
    """

    began_s: float
    first: int
    last: int
    interval: int
    run_id: str = ""
    finished: bool = False

    def with_later(self, other: Extent) -> Extent:
        """Both as one."""
        return Extent(
            min(self.began_s, other.began_s),
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.interval, other.interval),
            other.run_id or self.run_id,
            other.finished,
        )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder below the folder `claims` of `workload`. extent: None while it holds no steps."""

    path: str
    workload: str
    claims: str
    extent: Extent | None


def tell_apart(roots: Roots, folders: Sequence[RunFolder]) -> None:
    """Tell the roots which run folders of each workload are runs of their own.

    The first run keeps the uid of the workload; a later one is `<uid>-<folder>`, without the parts of its
    name that every run of the workload has.
    """
    by_workload: dict[tuple[str, str], list[RunFolder]] = {}
    for folder in folders:
        by_workload.setdefault((folder.workload, folder.claims), []).append(folder)
    for same in by_workload.values():
        known = [(folder.extent, folder) for folder in same if folder.extent is not None]
        known.sort(key=lambda pair: (pair[0].began_s, pair[1].path))
        runs: list[tuple[str, RunFolder, Extent]] = []  # uid, its last folder, all of its steps
        for extent, folder in known:
            for at in reversed(range(len(runs))):
                uid, before, whole = runs[at]
                reason = _goes_on(whole, extent, os.path.basename(before.path))
                if reason:
                    runs[at] = uid, folder, whole.with_later(extent)
                    roots.assign(folder.path, uid, f"attempt of {uid}: {reason}")
                    break
            else:
                uid = f"{folder.workload}-{_name(folder)}" if runs else folder.workload
                if runs:
                    why = f"a run of its own: it begins at step {extent.first} anew"
                    roots.assign(folder.path, uid, why)
                runs.append((uid, folder, extent))


def _goes_on(earlier: Extent, later: Extent, name: str) -> str:
    """Why the later one is an attempt of the earlier one; empty if it is not."""
    if later.run_id and later.run_id == earlier.run_id and not earlier.finished:
        return f"the same run {later.run_id} as {name}, which did not finish"
    if earlier.first < later.first <= earlier.last + max(1, earlier.interval):
        return f"begins at step {later.first}, where {name} with its last step {earlier.last} goes on"
    return ""


def _name(folder: RunFolder) -> str:
    return os.path.basename(folder.path)
