"""Ultralytics YOLO, and YOLOv5 and v7 before it: a table whose rows are redrawn by a progress bar.

          Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size
        151/200      10.4G     0.4635     0.2344      0.805       1578        640: 100%|##########| 99/99 [01:52<00:00]
                     Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|####| 32/32
                       all        498      70099      0.937      0.905      0.941       0.82

The step is the epoch as printed (YOLOv5 counts from 0). Columns have the names of their header; in a second
group (masks, poses), names that the first group has too get the group's name: `Mask(R`. An evaluation that
prints a training name (`Instances`) replaces its value.
Source: ultralytics/ultralytics engine/trainer.py `progress_string`, models/yolo/*/val.py; ultralytics/yolov5
train.py, segment/train.py; WongKinYiu/yolov7 train.py.
"""  # noqa: E501 - a line of the format

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values
from lensd_log.line.record import Entry, LogFormat, Parsed, Record, State

_HEADER = re.compile(
    r"\s{0,12}Epoch\s{1,12}(?=(?i:gpu_mem)\s)((?:[\w./()-]{1,24}\s{1,16}){2,24}[\w./()-]{1,24})\s{0,8}\Z"
)
_CLASSES = re.compile(r"\s{0,40}Class\s{1,12}(?=(?:Images|Targets)\s)(.{1,400})\Z")
_BAR = re.compile(r":\s{0,4}\d{1,3}%.{0,400}\Z")
_ROW = re.compile(r"\s{0,40}(\d{1,9})/(\d{1,9})\s{1,16}([^:|]{1,400})(?::|\Z)")
_ALL = re.compile(r"\s{0,40}all\s{1,24}(?=\d)([\d\s.eE+-]{1,400})\Z")


def _parse(entry: Entry, state: State) -> Parsed:
    for text in (entry.text, *reversed(entry.states)) if len(entry.states) > 1 else (entry.text,):
        parsed = _read(text, state)
        if parsed is not None:
            return parsed
    return None


def _read(text: str, state: State) -> Parsed:
    header = _HEADER.match(text)
    if header:
        state["columns"] = header[1].split()
        return ()
    classes = _CLASSES.match(text)
    if classes:
        state["classes"] = _unique(_BAR.sub("", classes[1]).removesuffix(":").split())
        return ()
    row = _ROW.match(text) if "columns" in state else None
    if row:
        cells = row[3].split()
        if len(cells) != len(state["columns"]):
            return None
        state["epoch"] = int(row[1])
        metrics = Values(zip(state["columns"], cells, strict=True))
        framework = "yolov5" if any(name.startswith("obj") for name in state["columns"]) else None
        if not metrics.values:
            return ()
        return (
            Record(metrics.values, int(row[1]), target=int(row[2]), units=metrics.units, framework=framework),
        )
    match = _ALL.match(text) if "classes" in state else None
    if match is None:
        return None
    cells = match[1].split()
    if len(cells) != len(state["classes"]):
        return None
    metrics = Values(zip(state["classes"], cells, strict=True))
    # The header is repeated before the next evaluation; tables by class do not follow a run's own row.
    return (Record(metrics.values, state.get("epoch"), evaluation=True),)


def _unique(columns: list[str]) -> list[str]:
    """Column names; those of a second group that the first one has too get the group's name."""
    names: list[str] = []
    group = ""
    for column in columns[:64]:
        opening, bracket, _ = column.partition("(")
        if bracket:
            group = f"{opening}("
        names.append(group + column if column in names and group else column)
    return names


ULTRALYTICS = LogFormat(
    "ultralytics",
    _parse,
    needles=("GPU_mem", "gpu_mem", "Class ", "/ ", "all "),
    framework="ultralytics",
)
