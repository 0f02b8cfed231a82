"""Folders of event files: which are run folders, and which are a part of the names of their metrics.

A folder joins the names where it tells series of one run apart: `train/` and `validation/` beside each other,
or what a writer makes below its own folder (`add_scalars`). Folders that are named by date, host, process,
version or id hold runs or attempts, and an only child tells nothing apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lensd.discovery import NAMELESS

_PHASES = frozenset(
    "train training val valid validation dev eval evaluation test testing predict".split()
)  # fmt: skip
#: Dates, times, epoch seconds and ids: torch's `Nov26_02-15-13_host`, `add_hparams`, hydra, uuids.
_STAMP = re.compile(
    r"[A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}|(?:^|\D)(?:19|20)\d{2}[-_]?[01]\d[-_]?[0-3]\d(?:\D|$)"
    r"|^\d{2}[-_:]\d{2}[-_:]\d{2}$|^\d{9,}(?:\.\d+)?$|^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|"
    r"^(?=.*\d)(?=.*[a-f])[0-9a-f]{8,}$"
)
#: `add_hparams` makes one below the folder of its writer.
_EPOCH_SECONDS = re.compile(r"\d{9,}(?:\.\d+)?$")
_RUN = re.compile(r"(?:version|run|trial|exp|experiment|attempt|try|seed|job|task)[_-]?\d+$", re.IGNORECASE)
#: Lightning's `version_0`, Stable-Baselines' `PPO_1`, `run-2`, `exp3`, `7`.
_NUMBERED = re.compile(r"(?:.*[_-])?v?\d+$", re.IGNORECASE)
_PROCESS = re.compile(r"(?:rank|proc|process|worker|node|host|pid|gpu|replica)[-_]?\d+$", re.IGNORECASE)

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """Where the files of a folder belong. run: the folders from the workload down to the run folder, empty
    for the workload itself. names: the folders that join the names of their metrics."""

    run: Path
    names: Path

    @property
    def prefix(self) -> str:
        return "".join(name + "/" for name in self.names)


@dataclass(slots=True)
class _Folder:
    has_files: bool = False
    folders: dict[str, _Folder] = field(default_factory=dict)


def places(folders: Iterable[Path], together: Iterable[frozenset[Path]] = ()) -> Mapping[Path, FolderPlace]:
    """The place of each folder that holds event files.

    folders: below the workload's. together: folders whose files one process had open at the same time.
    """
    root = _Folder()
    listed = sorted(set(folders))
    for path in listed:
        here = root
        for name in path:
            here = here.folders.setdefault(name, _Folder())
        here.has_files = True
    result: dict[Path, FolderPlace] = {}
    _walk(root, (), (), (), list(together), result)
    return result


def _walk(
    here: _Folder,
    path: Path,
    run: Path,
    names: Path,
    together: list[frozenset[Path]],
    result: dict[Path, FolderPlace],
) -> None:
    if here.has_files:
        result[path] = FolderPlace(run, names)
    tells_apart = here.has_files or _are_series(here, path, together)
    for name, folder in here.folders.items():
        inner = (*path, name)
        is_session = here.has_files and _EPOCH_SECONDS.match(name)
        if name.lower() in NAMELESS or _PROCESS.match(name) or is_session:
            _walk(folder, inner, run, names, together, result)
        elif _STAMP.search(name) or _RUN.match(name):
            _walk(folder, inner, inner, names, together, result)
        elif tells_apart:
            _walk(folder, inner, run, (*names, name), together, result)
        elif len(here.folders) > 1 or _NUMBERED.match(name):
            _walk(folder, inner, inner, names, together, result)
        else:
            _walk(folder, inner, run, names, together, result)


def _are_series(here: _Folder, path: Path, together: list[frozenset[Path]]) -> bool:
    """Whether the folders in one without files of its own hold series of one run."""
    named = [
        name
        for name in here.folders
        if not (_STAMP.search(name) or name.lower() in NAMELESS or _PROCESS.match(name))
    ]
    if len(named) < 2:
        return False
    if any(name.lower() in _PHASES for name in named):
        return True
    if all(_NUMBERED.match(name) for name in named):
        return False
    inner = [frozenset(p for p in group if p[: len(path)] == path) for group in together]
    return any(len({p[len(path)] for p in group if len(p) > len(path)} & set(named)) > 1 for group in inner)
