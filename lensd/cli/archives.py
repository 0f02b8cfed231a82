"""Archives among the paths of a command: unpacked while the command reads them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lensd.cli.exit import UNREADABLE, fail, note
from lensd.config import data_folder
from lensd.tail.archives import ArchiveError, archive_stem, is_archive, unpack

_KEPT_FREE = 256 << 20  # bytes of the disk


@contextmanager
def unpacked(paths: Sequence[str]) -> Iterator[list[str]]:
    """The paths, with a folder in place of each archive. The folder of an archive is always the same, so that
    reading it again adds only what is new; it is gone afterwards."""
    folders: list[str] = []
    result = []
    try:
        for path in paths:
            if not is_archive(path) or not os.path.isfile(path):
                result.append(path)
                continue
            digest = hashlib.blake2s(os.path.realpath(path).encode("utf-8", "surrogateescape"), digest_size=8)
            folder = os.path.join(data_folder(), "unpacked", digest.hexdigest())
            folders.append(_fresh(folder, path))
            root = os.path.join(folder, archive_stem(path))
            os.mkdir(root)
            try:
                room = max(0, shutil.disk_usage(folder).free - _KEPT_FREE)
                for sentence in unpack(path, root, room):
                    note(sentence)
            except (ArchiveError, OSError) as error:
                fail(UNREADABLE, str(error))
            result.append(root)
        yield result
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _fresh(folder: str, path: str) -> str:
    """Make a folder that only this process uses, empty even if one that was killed has left it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)  # held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        fail(UNREADABLE, f"{path} is being read by another lensd")
    for entry in os.listdir(folder):
        shutil.rmtree(os.path.join(folder, entry), ignore_errors=True)
    return folder
