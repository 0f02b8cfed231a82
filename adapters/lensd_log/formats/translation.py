"""OpenNMT and Marian.

    Step 50/100000; acc:   4.5; ppl: 12345.6; xent: 9.4; lr: 0.00001; 12345/11234 tok/s;     12 sec;
    Ep. 1 : Up. 1000 : Sen. 64,000 : Cost 7.52 * 1,234 @ 12 after 1,234,567 : Time 45.23s : 5123.45 words/s
    [valid] Ep. 1 : Up. 5000 : cross-entropy : 123.456 : new best

Source: OpenNMT/OpenNMT-py onmt/utils/statistics.py; marian-nmt/marian src/training/scheduler.h.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.numbers import NUMBER
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_ONMT = re.compile(r"Step (\d{1,15})/\s{0,8}(\d{1,15}); ")
_ONMT_SPEED = re.compile(rf"(?<![\w.,])({NUMBER})/\s{{0,8}}{NUMBER} (tok/s)")
_MARIAN = re.compile(r"(\[valid\] )?Ep\. \d{1,9}(?:\.\d{1,9})? : Up\. (\d{1,15}) : ")
_NAMED = re.compile(rf"([A-Za-z][\w-]{{0,30}}) ({NUMBER})(?:s\Z| |\Z)")
_SPEED = re.compile(rf"({NUMBER}) ([a-z]{{1,12}}/s)\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _ONMT.match(text)
    if match:
        metrics = Values(split_pairs(text[match.end() :], ";", ":"))
        speed = _ONMT_SPEED.search(text)
        if speed:
            metrics.add(speed[2], speed[1])
        return (Record(metrics.values, int(match[1]), target=int(match[2])),) if metrics.values else None
    match = _MARIAN.match(text)
    if match is None:
        return None
    parts = text[match.end() :].split(" : ")
    metrics = Values()
    # After a time, a tag in brackets has been stripped as a logger's name.
    if match[1] or (len(parts) > 2 and parts[2].startswith(("new best", "stalled"))):
        if len(parts) > 1:
            metrics.add(f"valid {parts[0].strip()}", parts[1].strip())
        return (Record(metrics.values, int(match[2]), evaluation=True),) if metrics.values else ()
    for part in parts:
        named, speed = _NAMED.match(part), _SPEED.match(part)
        if speed:
            metrics.add(speed[2], speed[1])
        elif named and named[1] != "Sen":
            metrics.add(named[1], named[2])
    return (Record(metrics.values, int(match[2])),) if metrics.values else None


TRANSLATION = LogFormat("nmt", _parse, needles=("Step /", "Ep. "))
