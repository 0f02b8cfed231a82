"""The other stream of a job: the progress bars on stderr tell the steps of dicts on stdout.

    job.out   {'loss': '3.422', 'learning_rate': '0.0043', 'epoch': '0.04'}
    job.err   \\r 13%|#3   | 19/150 [00:01<00:14]\\r          \\r 13%|#3   | 20/150 [00:01<00:14]

`Trainer` of Hugging Face prints a dict through its bar, which is cleared and drawn again: in the file of the
bars there is a count behind blanks for each dict. Where the two streams go into two files, the counts wait in
the cursor for the dicts. Source: tqdm std.py `external_write_mode`.
"""

from __future__ import annotations

import os
import re

from lensd_log.cursor import LogCursor
from lensd_log.formats.hf_trainer import HF_TRAINER, OF, WRITES

_MOST_BYTES = 8 << 20  # of one read
_OVERLAP = 1 << 10  # a bar or blanks that a read cut
MOST_WAITING = 8192
CHUNK_BYTES = 1 << 17  #: of stdout, which hold fewer dicts than may wait for one
#: The names of the two files, what stands before and behind `out` or `o`.
_STDOUT = re.compile(
    r"(.*\.)out|(.*\.p?)o(\d+(?:[-.]\d+|\[\d+\])?)|(.*)stdout(\.(?:log|txt))?", re.IGNORECASE
)
_EVENT = re.compile(
    rb"\r {0,4}\d{1,3}%\|[^|\r\n]{0,200}\| {0,12}(\d{1,12})/(\d{1,12}) \[[\d:]{4,12}<|\r( {8,500})\r"
)


def path_beside(path: str) -> str | None:
    """The file with the other stream of a job, if `path` is named as that of its stdout; it may not exist."""
    folder, name = os.path.split(path)
    match = _STDOUT.fullmatch(name)
    if match is None:
        return None
    if match[1] is not None:
        other = match[1] + "err"
    elif match[2] is not None:
        other = f"{match[2]}e{match[3]}"
    else:
        other = f"{match[4]}stderr{match[5] or ''}"
    return os.path.join(folder, other)


def look(path: str, cursor: LogCursor) -> None:
    """Take the counts of bars that were drawn since the last look, for dicts that are still to be read."""
    other = path_beside(path)
    if other is None:
        return
    state = cursor.beside
    try:
        size = os.stat(other).st_size
        if size < state.get("offset", 0):  # it was written anew
            state.clear()
        if size == state.get("offset", 0):
            return
        with open(other, "rb") as file:
            file.seek(state.get("offset", 0))
            data = file.read(_MOST_BYTES)
    except OSError:
        return
    waiting = cursor.states.get(HF_TRAINER.name, {}).get(WRITES, [])
    written: list[int] = []
    end = 0
    for event in _EVENT.finditer(data):
        if len(waiting) + len(written) >= MOST_WAITING:
            break
        end = event.end()
        if event[3] is not None:
            state["cleared"] = True
            end -= 1  # the next bar begins with this return
            continue
        n, total = int(event[1]), int(event[2])
        if state.setdefault("total", total) == total and state.pop("cleared", False):
            written.append(n)
    else:
        end = max(end, len(data) - _OVERLAP)
    state["offset"] = state.get("offset", 0) + end
    if written:
        dicts = cursor.states.setdefault(HF_TRAINER.name, {})
        dicts[WRITES], dicts[OF] = [*waiting, *written], state["total"]
