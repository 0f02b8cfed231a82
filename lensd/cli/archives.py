"""Archives among the paths of a command: unpacked while the command reads them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from lensd import platform
from lensd.cli.exit import UNREADABLE, fail, note
from lensd.config import data_folder
from lensd.tail.archives import ArchiveError, archive_stem, is_archive, unpack

_KEPT_FREE = 256 << 20  # bytes of the disk


@contextmanager
def unpacked(paths: Sequence[str]) -> Iterator[list[str]]:
    """The paths, with a folder in place of each archive. The folder of an archive is always the same, so that
    reading it again adds only what is new; it is gone afterwards."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_unpacked(path)) if is_archive(path) and os.path.isfile(path) else path
            for path in paths
        ]


@contextmanager
def _unpacked(path: str) -> Iterator[str]:
    digest = hashlib.blake2s(os.path.realpath(path).encode("utf-8", "surrogateescape"), digest_size=8)
    folder = os.path.join(data_folder(), "unpacked", digest.hexdigest())
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with open(f"{folder}.lock", "wb") as lock:
        if not platform.lock(lock):
            fail(UNREADABLE, f"{path} is being read by another lensd")
        shutil.rmtree(folder, ignore_errors=True)  # what one that was killed has left
        root = os.path.join(folder, archive_stem(path))
        os.makedirs(root)
        try:
            room = max(0, shutil.disk_usage(folder).free - _KEPT_FREE)
            for sentence in unpack(path, root, room):
                note(sentence)
            yield root
        except ArchiveError as error:
            fail(UNREADABLE, str(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
