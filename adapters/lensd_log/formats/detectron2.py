"""detectron2 and projects built on it.

    eta: 21:18:00  iter: 19  total_loss: 0.1443  loss_cls: 0.05095  time: 0.6875  lr: 0.02038  max_mem: 11810M
    copypaste: Task: bbox
    copypaste: AP,AP50,AP75,APs,APm,APl
    copypaste: 40.1043,61.2371,43.1873,23.9911,43.2214,52.0112

An evaluation ends with `copypaste` lines, meant for spreadsheets. They become `bbox/AP` and so on, as in
detectron2's `metrics.json`.
Source: facebookresearch/detectron2 detectron2/utils/events.py `CommonMetricPrinter`,
evaluation/testing.py `print_csv_format`.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_LINE = re.compile(r"(?:eta: [^:]{1,16}:\d\d:\d\d  )?iter: (\d{1,15})  (?=[a-z])")
_PAIR = re.compile(r"(?<![\w@/.-])([A-Za-z_][\w./-]{0,80}): (\S{1,40})(?=\s|\Z)")
_PASTE = re.compile(r"copypaste: (?:Task: ([\w./-]{1,60})\Z)?")


def _parse(entry: Entry, state: State) -> Parsed:
    text = entry.text
    if not entry.complete:
        return None
    match = _LINE.match(text)
    if match:
        metrics = Values((m[1], m[2]) for m in _PAIR.finditer(text, match.end()))
        return (Record(metrics.values, int(match[1]), units=metrics.units),) if metrics.values else None
    paste = _PASTE.match(text)
    if paste is None:
        return None
    if paste[1]:
        state.clear()
        state["task"] = paste[1]
        return ()
    cells = text[paste.end() :].split(",")
    names = state.get("names")
    if "task" in state and names is None:
        state["names"] = cells[:100]
        return ()
    if names is None or len(names) != len(cells):
        return ()
    metrics = Values(zip(names, cells, strict=True), f"{state['task']}/")
    state.clear()
    return (Record(metrics.values, None, evaluation=True),) if metrics.values else ()


DETECTRON2 = LogFormat("detectron2", _parse, needles=("iter: ", "copypaste: "), framework="detectron2")
