"""A loop written by hand: one regular expression, or `json.loads`, for each line; lists of floats. Prints
seconds, points."""

import json
import re
import sys
import time

HEAD = re.compile(r" \[([\d: -]+)\] iteration\s+(\d+)/")
FIELD = re.compile(r"\| ([\w ()]+): +([-+.\dE]+)")
LINE = re.compile(r"it (\d+): loss (?P<loss>[\d.]+), time (?P<time>[\d.]+)ms, util (?P<util>[\d.]+)%")
DICT = re.compile(r"'(\w+)': ([-+.\de]+)")


def megatron(path: str) -> int:
    columns: dict[str, list[tuple[int, float]]] = {}
    with open(path) as file:
        for line in file:
            head = HEAD.match(line)
            if head:
                step = int(head[2])
                for name, value in FIELD.findall(line):
                    columns.setdefault(name, []).append((step, float(value)))
    return sum(map(len, columns.values()))


def hf(path: str) -> int:
    columns: dict[str, list[tuple[int, float]]] = {}
    with open(path) as file:
        for step, line in enumerate(file, 1):
            if line.startswith("{'"):
                for name, value in DICT.findall(line):
                    if name != "epoch":
                        columns.setdefault(name, []).append((step, float(value)))
    return sum(map(len, columns.values()))


def unlisted(path: str) -> int:
    columns: dict[str, list[tuple[int, float]]] = {"loss": [], "time": [], "util": []}
    with open(path) as file:
        for line in file:
            match = LINE.match(line)
            if match:
                step = int(match[1])
                for name in columns:
                    columns[name].append((step, float(match[name])))
    return sum(map(len, columns.values()))


def json_lines(path: str) -> int:
    columns: dict[str, list[tuple[int, float]]] = {}
    with open(path) as file:
        for line in file:
            row = json.loads(line)
            for name in ("loss", "lr"):
                columns.setdefault(name, []).append((row["step"], row[name]))
    return sum(map(len, columns.values()))


began = time.perf_counter()
points = {"megatron": megatron, "hf": hf, "unlisted": unlisted, "json": json_lines}[sys.argv[1]](sys.argv[2])
print(time.perf_counter() - began, points)
