"""A loop written by hand: one regular expression for each line, lists of floats. Prints seconds, points."""

import re
import sys
import time

HEAD = re.compile(r" \[([\d: -]+)\] iteration\s+(\d+)/")
FIELD = re.compile(r"\| ([\w ()]+): +([-+.\dE]+)")
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


began = time.perf_counter()
points = {"megatron": megatron, "hf": hf}[sys.argv[1]](sys.argv[2])
print(time.perf_counter() - began, points)
