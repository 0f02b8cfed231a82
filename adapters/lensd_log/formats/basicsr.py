"""BasicSR and projects built on it (Real-ESRGAN, GFPGAN).

    [train..][epoch:  0, iter:     100, lr:(2.000e-04,)] [eta: 1 day, 2:03:04, ...] l_pix: 1.2e-02

Source: XPixelGroup/BasicSR basicsr/utils/logger.py `MessageLogger`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEAD = re.compile(
    r"(?:\[[\w.-]{1,40}\])?\[epoch:\s{0,8}\d{1,9}, iter:\s{0,12}([\d,]{1,20}), lr:\(([^,)]{1,20}),"
)
_PAIR = re.compile(r"(?<=[\] ])([A-Za-z_]\w{0,60}): (\S{1,40})(?=\s|\Z)")


def _parse(entry: Entry, state: State) -> Parsed:
    match = _HEAD.match(entry.text)
    if match is None or not entry.complete:
        return None
    metrics = Values((("lr", match[2]),))
    for pair in _PAIR.finditer(entry.text, max(match.end(), entry.text.rfind("]"))):
        metrics.add(pair[1], pair[2])
    return (Record(metrics.values, int(match[1].replace(",", ""))),)


BASICSR = LogFormat("basicsr", _parse, needles=(", iter:",), framework="basicsr")
