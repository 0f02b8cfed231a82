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

#: Loggers of one training begin within so many seconds of each other.
_TOGETHER_S = 600.0


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

    The first run keeps the uid of the workload, a later one is `<uid>-<folder>`. A folder of another kind
    that began with one of the runs told apart before belongs to it.
    """
    by_workload: dict[tuple[str, str], list[RunFolder]] = {}
    for folder in folders:
        by_workload.setdefault((folder.workload, folder.claims), []).append(folder)
    for key, same in by_workload.items():
        extents = [(folder.extent, folder) for folder in same if folder.extent is not None]
        # What lies in the workload's own folder is always its run.
        extents.sort(key=lambda pair: (pair[1].path != pair[1].claims, pair[0].began_s, pair[1].path))
        others = _by_time(roots.runs.get(key, []), extents)
        runs: list[_Run] = []
        for extent, folder in extents:
            if folder.path in others:
                uid, claims = others[folder.path]
                roots.assign(folder.path, uid, f"began together with {uid}", folder=claims)
                continue
            if not _continue(roots, runs, folder, extent):
                if not runs and key not in roots.runs:
                    runs.append(_Run(folder.workload, None, folder.path, extent))
                    continue
                uid = f"{folder.workload}-{os.path.basename(folder.path)}"
                why = f"a run of its own: it begins at step {extent.first} anew"
                roots.assign(folder.path, uid, why, folder=folder.path)
                runs.append(_Run(uid, folder.path, folder.path, extent))
        roots.runs.setdefault(key, []).extend((run.uid, run.claims, run.steps.began_s) for run in runs)


@dataclass(slots=True)
class _Run:
    """A run so far. claims: the folder that claims its uid, None for that of the workload. last: the path of
    its last folder. steps: all of them."""

    uid: str
    claims: str | None
    last: str
    steps: Extent


def _continue(roots: Roots, runs: Sequence[_Run], folder: RunFolder, extent: Extent) -> bool:
    """Whether a folder is an attempt of one of the runs, the latest first."""
    for run in reversed(runs):
        reason = _goes_on(run.steps, extent, os.path.basename(run.last))
        if reason:
            roots.assign(folder.path, run.uid, f"attempt of {run.uid}: {reason}", folder=run.claims)
            run.steps, run.last = run.steps.with_later(extent), folder.path
            return True
    return False


def _by_time(
    runs: Sequence[tuple[str, str | None, float]], extents: Sequence[tuple[Extent, RunFolder]]
) -> dict[str, tuple[str, str | None]]:
    """The run that each folder began with, as uid and claiming folder by path: the nearest, each once."""
    distances = sorted(
        (abs(extent.began_s - began_s), place, folder.path)
        for extent, folder in extents
        for place, (_, _, began_s) in enumerate(runs)
        if abs(extent.began_s - began_s) <= _TOGETHER_S
    )
    result: dict[str, int] = {}
    for _, place, path in distances:
        if path not in result and place not in result.values():
            result[path] = place
    return {path: runs[place][:2] for path, place in result.items()}


def _goes_on(earlier: Extent, later: Extent, name: str) -> str:
    """Why the later one is an attempt of the earlier one; empty if it is not."""
    if later.run_id and later.run_id == earlier.run_id and not earlier.finished:
        return f"the same run {later.run_id} as {name}, which did not finish"
    if earlier.first < later.first <= earlier.last + max(1, earlier.interval):
        return f"begins at step {later.first}, where {name} with its last step {earlier.last} goes on"
    return ""
