"""The event files of all workloads: which runs they make up, and the prefixes of their metrics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from lensd.discovery import Claim, File, Roots
from lensd.run_folders import Extent, RunFolder, tell_apart
from lensd_tensorboard.folders import FolderPlace, Path, places
from lensd_tensorboard.peek import Peek, peek


def event_files(roots: Roots) -> Iterable[File]:
    """Event files by name."""
    for file in roots.files(lambda name: "tfevents" in name):
        if "tfevents" in file.name and not file.name.endswith(".profile-empty"):
            yield file


class Layout:
    """Arranges the event files of each scan. A look into a file is kept until the file changes."""

    def __init__(self) -> None:
        self._peeks: dict[str, tuple[tuple[int, int], Peek | None]] = {}

    def arrange(self, roots: Roots) -> dict[str, str]:
        """The prefix of the metrics of each file by its path. Tells the roots which run folders are runs."""
        if roots.prefixes is None:
            roots.prefixes = self._arranged(roots)
        return roots.prefixes

    def _arranged(self, roots: Roots) -> dict[str, str]:
        workloads: dict[tuple[str, str], list[tuple[File, Claim]]] = {}
        for file in event_files(roots):
            claim = roots.claim(file)
            workloads.setdefault((claim.workload, claim.folder), []).append((file, claim))
        prefixes: dict[str, str] = {}
        run_folders: list[RunFolder] = []
        for (workload, claiming), files in workloads.items():
            inner = {claim.inner for _, claim in files}
            together = self._together(files) if len(inner) > 1 else []
            placed = places(inner, together)
            prefixes |= {file.path: placed[claim.inner].prefix for file, claim in files}
            if len({place.run for place in placed.values()}) > 1 and claiming:
                run_folders += self._run_folders(workload, claiming, files, placed)
        tell_apart(roots, run_folders)
        return prefixes

    def _run_folders(
        self,
        workload: str,
        claiming: str,
        files: Sequence[tuple[File, Claim]],
        placed: Mapping[Path, FolderPlace],
    ) -> list[RunFolder]:
        extents: dict[str, Extent | None] = {}
        for file, claim in files:
            run = placed[claim.inner].run
            path = os.path.join(claiming, *run)
            look = self._peek(file)
            extent = extents.setdefault(path, None)
            if look is None or look.first is None or look.last is None:
                continue
            new = Extent(look.began_s, look.first, look.last, look.interval)
            extents[path] = extent.with_later(new) if extent else new
        return [RunFolder(path, workload, claiming, extent) for path, extent in extents.items()]

    def _together(self, files: Sequence[tuple[File, Claim]]) -> list[frozenset[Path]]:
        """Folders whose files one process had open at the same time."""
        by_writer: dict[str, list[tuple[Peek, Path]]] = {}
        for file, claim in files:
            look = self._peek(file)
            if look is not None and look.writer:
                by_writer.setdefault(look.writer, []).append((look, claim.inner))
        return [
            frozenset({path, other})
            for looks in by_writer.values()
            for at, (look, path) in enumerate(looks)
            for later, other in looks[at + 1 :]
            if path != other and later.began_s < look.ended_s and look.began_s < later.ended_s
        ]

    def _peek(self, file: File) -> Peek | None:
        key = file.size, file.mtime_ns
        kept = self._peeks.get(file.path)
        if kept is None or kept[0] != key:
            try:
                look = peek(file.path, file.name)
            except OSError:  # gone, or not readable: `read` says why
                look = None
            kept = self._peeks[file.path] = key, look
        return kept[1]
