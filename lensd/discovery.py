"""Finds files, and decides which workload each belongs to.

One walk of the roots serves all adapters of a scan. No file is opened: names and `stat` decide. The rules are
in docs/architecture.md, "Which files belong to which workload". Every claim states its reason for the user.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lensd.model import Input, Restarts
from lensd.platform import kernel_devices

#: Folders that hold workloads but name none.
CONTAINERS = frozenset(
    "wandb runs logs log outputs tb_logs lightning_logs tensorboard mlruns".split()
)  # fmt: skip

#: Folders of event files that add nothing to the names of their metrics.
NAMELESS = frozenset(
    "tensorboard tb tb_logs tf_logs logs log runs summaries events lightning_logs tensorboard_logs".split()
)

#: wandb SDK 0.12 to 0.31: `run-20261120_201310-6dhablz8`, `offline-run-...`.
WANDB_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(?P<id>[\w-]+)\Z")
_WANDB_FILE = re.compile(r"run-(?P<id>[\w-]+)\.wandb\Z")

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "__pypackages__", "node_modules", "site-packages", "dist-packages", "lost+found"}
)
_VIRTUAL_ENVIRONMENT = "pyvenv.cfg"  # lies at its top
_MAX_DEPTH = 16
_MAX_FILES = 200_000


@dataclass(frozen=True, slots=True)
class File:
    """A file that the walk found. parts: the folders between the root and the file."""

    path: str
    root: str
    parts: tuple[str, ...]
    name: str
    size: int
    mtime_ns: int
    chosen: bool = False  # the user named this file as a root

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)


@dataclass(frozen=True, slots=True)
class Claim:
    """The workload a file belongs to, the folder that claims it, and why. inner: the folders between that
    folder and the file. is_assigned: what run folders hold decided it."""

    workload: str
    folder: str
    why: str
    inner: tuple[str, ...]
    is_assigned: bool = False


@dataclass(slots=True)
class Roots:
    """The paths lensd was pointed at, and one walk over them. chosen: the user named an adapter for them.
    prefixes: of the names of metrics, by the path of the file; None until the event files are arranged. runs:
    the runs told apart so far, by workload and its folder: uid, the folder that claims it (None for the
    same), and when it began, seconds since the epoch."""

    paths: Sequence[str]
    workload: str | None = None
    chosen: bool = False
    problems: dict[str, str] = field(default_factory=dict)  # path -> a sentence for the user
    prefixes: dict[str, str] | None = None
    runs: dict[tuple[str, str], list[tuple[str, str | None, float]]] = field(default_factory=dict)
    _files: list[File] | None = None
    _siblings: dict[str, set[str]] = field(default_factory=dict)
    _forbidden: frozenset[int] = frozenset()  # devices
    _named: set[str] = field(default_factory=set)  # absolute paths
    _assigned: dict[str, tuple[str, str | None, str]] = field(default_factory=dict)
    _linked: dict[tuple[int, int], list[File]] = field(default_factory=dict)  # files of several names
    _run_links: dict[str, File] = field(default_factory=dict)  # by the other name

    def files(self, accepts: Callable[[str], bool] | None = None) -> Iterator[File]:
        """The regular files below the roots whose name `accepts`, in a stable order, and files that the user
        named as roots. The walk happens once."""
        for file in self._walked():
            if accepts is None or file.chosen or accepts(file.name):
                yield file

    def siblings(self, folder: str) -> set[str]:
        """The names of the files that the walk found in a folder."""
        self._walked()
        return self._siblings.get(folder, set())

    def place(self, file: File) -> File:
        """The name under which `lensd run` linked a file into the folder of its run; else the file itself."""
        return self._run_links.get(file.path, file)

    def assign(self, path: str, workload: str, why: str, *, folder: str | None = None) -> None:
        """Put a file or all below a folder into a workload, unless it is a Runicorn run. folder: the folder
        that claims the workload then; None for the one that claims it anyway."""
        self._assigned[path] = workload, folder, why

    def claim(self, file: File) -> Claim:
        """The workload that `file` belongs to."""
        link = self.place(file)
        claim = self._claim(link)
        if link is not file:  # it may have been found under its other name first
            claim = replace(claim, why="written by a command of lensd run", is_assigned=True)
            file = link
        if not self._assigned or not claim.folder:
            return claim
        for depth in range(len(file.parts) + 1, -1, -1):
            path = os.path.join(file.root, *(*file.parts, file.name)[:depth])
            if path in self._assigned:
                workload, folder, why = self._assigned[path]
                inner = claim.inner if folder is None else file.parts[depth:]
                return Claim(workload, folder or claim.folder, why, inner, is_assigned=True)
            if path == claim.folder:
                break
        return claim

    def _claim(self, file: File) -> Claim:
        if self.workload:
            return Claim(self.workload, "", "the workload was given by the user", file.parts)
        for depth in range(len(file.parts), -1, -1):
            folder = os.path.join(file.root, *file.parts[:depth])
            if self._is_runicorn_run(folder):
                inner = file.parts[depth:]
                return Claim(os.path.basename(folder), folder, "a Runicorn run folder", inner)
        for depth, part in enumerate(file.parts):
            if part.lower() in CONTAINERS:
                continue
            folder = os.path.join(file.root, *file.parts[: depth + 1])
            inner = file.parts[depth + 1 :]
            wandb = WANDB_FOLDER.match(part)
            if wandb:
                # A resumed run has several folders of the same id.
                return Claim(wandb["id"], os.path.dirname(folder), f"W&B run folder {part}", inner)
            return Claim(part, folder, f"first folder below {os.path.basename(file.root) or '/'}", inner)
        wandb = _WANDB_FILE.match(file.name)
        if wandb:
            return Claim(wandb["id"], file.path, "W&B file by its run id", file.parts)
        name = os.path.basename(file.root) or "root"
        return Claim(name, file.root, f"lies directly in {name}", file.parts)

    def input(
        self,
        file: File,
        *,
        adapter: str,
        data_source: str,
        structured: bool = False,
        prefix: str = "",
        restarts: Restarts = Restarts.INPUT,
        companions: Iterable[str] = (),
        segments: Iterable[str] = (),
    ) -> Input:
        """The input for a file. Its id depends on the adapter's name and the path alone.

        segments: paths of files that are parts of this one and might have been taken for inputs.
        """
        claim = self.claim(file)
        return Input(
            id=_input_id(adapter, file.path),
            workload=claim.workload,
            data_source=data_source,
            adapter=adapter,
            path=file.path,
            name="/".join((*file.parts, file.name)),
            folder=claim.folder,
            why=claim.why,
            structured=structured,
            prefix=prefix,
            restarts=restarts,
            companions=tuple(companions),
            contains=tuple(_input_id(adapter, path) for path in segments),
            chosen=file.chosen or self.chosen,
            is_assigned=claim.is_assigned,
        )

    def _is_runicorn_run(self, folder: str) -> bool:
        names = self.siblings(folder)
        return "events.jsonl" in names or {"meta.json", "status.json"} <= names

    def _walked(self) -> list[File]:
        if self._files is None:
            self._files = list(self._walk())
            hidden: set[str] = set()
            for group in self._linked.values():
                links = [file for file in group if self._is_run_link(file)]
                others = [file for file in group if file not in links]
                if links and others:
                    self._run_links[others[0].path] = links[0]
                    hidden |= {file.path for file in group if file != others[0]}
            self._files = [file for file in self._files if file.path not in hidden]
        return self._files

    def _is_run_link(self, file: File) -> bool:
        """Whether it lies where `lensd run` links what its command writes: below `runs/UID`, beside a log."""
        return any(
            file.parts[at] == "runs"
            and file.parts[at + 2] in ("tensorboard", "wandb")
            and "logs.txt" in self._siblings.get(os.path.join(file.root, *file.parts[: at + 2]), ())
            for at in range(len(file.parts) - 2)
        )

    def _walk(self) -> Iterator[File]:
        seen_folders: set[tuple[int, int]] = set()
        seen_files: set[tuple[int, int]] = set()
        count = 0
        self._named = {os.path.abspath(path) for path in self.paths}
        self._forbidden = kernel_devices()
        for root_path in self.paths:
            path = os.path.abspath(root_path)
            try:
                status = os.stat(path)
            except OSError as error:
                self.problems[root_path] = _sentence(root_path, error)
                continue
            if status.st_dev in self._forbidden or not _is_file_or_folder(status):
                self.problems[root_path] = f"{root_path}: neither a file nor a folder; it is not read"
                continue
            if not stat.S_ISDIR(status.st_mode):
                root, name = os.path.split(path)
                self._siblings.setdefault(root, set()).add(name)
                yield File(path, root, (), name, status.st_size, status.st_mtime_ns, chosen=True)
                continue
            for file, identity, linked in self._walk_folder(path, path, (), seen_folders):
                # A link usually leads to a file that the walk finds anyway.
                if linked and identity in seen_files:
                    continue
                seen_files.add(identity)
                count += 1
                if count > _MAX_FILES:
                    self.problems[root_path] = (
                        f"{root_path}: more than {_MAX_FILES} files; the rest is ignored"
                    )
                    return
                yield file

    def _walk_folder(
        self, folder: str, root: str, parts: tuple[str, ...], seen: set[tuple[int, int]]
    ) -> Iterator[tuple[File, tuple[int, int], bool]]:
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen or status.st_dev in self._forbidden:
                return
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                # Real entries before links, so that `latest-run -> run-x` never takes the place of run-x.
                listing = sorted(entries, key=lambda e: (e.is_symlink(), e.name))
        except OSError as error:
            self.problems[folder] = _sentence(folder, error)
            return
        if parts and any(entry.name == _VIRTUAL_ENVIRONMENT for entry in listing):
            return
        in_wandb_run = any(WANDB_FOLDER.match(part) for part in parts)
        folders: list[str] = []
        for entry in listing:
            try:
                if entry.is_dir():
                    if _enters(entry.name) and len(parts) < _MAX_DEPTH:
                        folders.append(entry.name)
                    continue
                status = entry.stat()
            except OSError:  # a dangling link, or a file that vanished between scandir and stat
                continue
            # Reading a FIFO would wait for its writer, and some files of the kernel for events.
            if not stat.S_ISREG(status.st_mode) or status.st_dev in self._forbidden:
                continue
            self._siblings.setdefault(folder, set()).add(entry.name)
            if in_wandb_run and not entry.name.endswith(".wandb"):
                continue
            if parts and parts[-1] == "wandb" and entry.name.startswith("debug"):
                continue
            path = os.path.join(folder, entry.name)
            file = File(
                path, root, parts, entry.name, status.st_size, status.st_mtime_ns, chosen=path in self._named
            )
            if status.st_nlink > 1 and not entry.is_symlink():
                self._linked.setdefault((status.st_dev, status.st_ino), []).append(file)
            yield file, (status.st_dev, status.st_ino), entry.is_symlink()
        for name in folders:
            yield from self._walk_folder(os.path.join(folder, name), root, (*parts, name), seen)


def _input_id(adapter: str, path: str) -> str:
    key = f"{adapter}\0{path}".encode("utf-8", "surrogateescape")
    return hashlib.blake2s(key, digest_size=5).hexdigest()


def _is_file_or_folder(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _enters(name: str) -> bool:
    return not name.startswith(".") and name not in _SKIPPED_FOLDERS


def _sentence(path: str, error: OSError) -> str:
    reason = {
        "FileNotFoundError": "no such file or directory",
        "PermissionError": "not readable by this user",
    }.get(type(error).__name__, error.strerror or str(error))
    return f"{path}: {reason}"
