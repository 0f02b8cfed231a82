"""Installs the hook into a Python environment and removes it without a trace.

The hook is copied as the package `lensd_hook`, so that it works where lensd is not installed, and a `.pth`
file loads it when that Python starts. Where lensd is installed in the same environment, its RECORD lists the
files too, so that `pip uninstall lensd` removes them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lensd import hook

PACKAGE = "lensd_hook"
PTH = "lensd_hook.pth"
_NOT_COPIED = ("inject", "install.py")  # used by lensd, not by the training environment

#: What `site` executes when Python starts. It does nothing, silently, when the package is gone, and no error
#: of ours may reach a training: `site` executes a single line, so that the `try` stands in a string.
LINE = 'import sys; exec("try:\\n import lensd_hook; lensd_hook.activate()\\nexcept Exception: pass")\n'

_ASK = """if True:
    import json, os, site, sys, sysconfig
    folders = [sysconfig.get_paths()["purelib"], *getattr(site, "getsitepackages", list)()]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    print(json.dumps([sys.executable, list(sys.version_info[:2]), list(dict.fromkeys(folders))]))"""


class InstallError(Exception):
    """The hook cannot be installed or removed; the message is one sentence."""


@dataclass(frozen=True)
class Environment:
    """A Python environment: its interpreter, version, and the folders whose `.pth` files it executes."""

    python: str
    version: tuple[int, int]
    folders: tuple[Path, ...]

    def installed(self) -> Path | None:
        """The folder that the hook is installed in, or None."""
        return next(filter(_holds_hook, self.folders), None)


def environment(python: str | None = None) -> Environment:
    """The environment of an interpreter, by default the one that runs lensd. Raises InstallError."""
    command = [python or sys.executable, "-I", "-c", _ASK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        executable, version, folders = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InstallError(f"{command[0]} cannot be asked for its folders: {error}") from error
    return Environment(executable, (version[0], version[1]), tuple(map(Path, folders)))


def install(target: Environment) -> Path:
    """Copy the hook and write its `.pth`, replacing an older one. Returns the folder. Raises InstallError."""
    if target.version < (3, 8):
        raise InstallError(
            f"{target.python} is Python {target.version[0]}.{target.version[1]}; 3.8 is needed"
        )
    folder = target.installed() or next(filter(_writable, target.folders), None)
    if folder is None:
        raise InstallError(f"none of {', '.join(map(str, target.folders))} can be written to")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".lensd-", dir=folder) as scratch:
            new = Path(scratch) / PACKAGE
            shutil.copytree(source(), new, ignore=shutil.ignore_patterns("__pycache__", *_NOT_COPIED))
            (Path(scratch) / PTH).write_text(LINE)
            # The .pth is removed first and added last, so that no Python starts with half a package.
            remove(folder)
            new.rename(folder / PACKAGE)
            _compile(target, folder / PACKAGE)
            (Path(scratch) / PTH).rename(folder / PTH)
        _enter_into_record(folder)
    except OSError as error:
        raise InstallError(f"{folder} cannot be written to: {error.strerror}") from error
    return folder


def _compile(target: Environment, package: Path) -> None:
    """Compile to byte code now: every Python loads the hook, and its user may not be allowed to write."""
    subprocess.run(
        [target.python, "-I", "-m", "compileall", "-q", str(package)],
        capture_output=True,
        timeout=60,
        check=False,
    )


def uninstall(target: Environment) -> list[Path]:
    """Remove the hook from every folder of the environment. Returns those it was in. Raises InstallError."""
    folders = [folder for folder in target.folders if _holds_hook(folder)]
    for folder in folders:
        try:
            remove(folder)
        except OSError as error:
            raise InstallError(f"{folder} cannot be written to: {error.strerror}") from error
    return folders


def _holds_hook(folder: Path) -> bool:
    return (folder / PTH).exists() or (folder / PACKAGE).exists()


def remove(folder: Path) -> None:
    (folder / PTH).unlink(missing_ok=True)
    if (folder / PACKAGE).exists():
        shutil.rmtree(folder / PACKAGE)
    for record in _records(folder):
        lines = record.read_text().splitlines(keepends=True)
        others = [line for line in lines if not line.startswith((PTH + ",", PACKAGE + "/"))]
        if others != lines:
            record.write_text("".join(others))


def is_current(folder: Path) -> bool:
    """Whether the hook there is complete and the same as this lensd would install."""
    return (folder / PTH).exists() and _digests(folder / PACKAGE) == _digests(source())


def source() -> Path:
    """The folder of the hook within this lensd."""
    return Path(hook.__file__).parent


def files(package: Path) -> list[Path]:
    """The files that are copied into an environment, in the hook's own folder or in a copy of it."""
    return [path for path in sorted(package.glob("*.py")) if path.name not in _NOT_COPIED]


def _digests(package: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in files(package)}


def _digest(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


def _records(folder: Path) -> list[Path]:
    return sorted(folder.glob("lensd-*.dist-info/RECORD"))


def _enter_into_record(folder: Path) -> None:
    for record in _records(folder):
        entries = [folder / PTH, *files(folder / PACKAGE)]
        with record.open("a") as file:
            file.writelines(
                f"{path.relative_to(folder)},sha256={_digest(path)},{path.stat().st_size}\n"
                for path in entries
            )


def _writable(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(existing, os.W_OK)
