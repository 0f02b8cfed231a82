"""Reads every text in two ways, and prints a table: kind, texts, lines, points."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lensd.adapter import Budget, InputDead
from lensd.discovery import Roots
from lensd_log import LogAdapter
from tests.log.precision.builds import builds
from tests.log.precision.commands import commands
from tests.log.precision.data_sets import data_sets
from tests.log.precision.servers import servers
from tests.log.precision.texts import Text, bytecode, found, manuals

ROOT = Path(__file__).parents[3]
MOST = 1e-5  # points a line


@dataclass(slots=True)
class Row:
    """walked, named: points of texts that a walk finds under their own names, and of those that are named."""

    texts: int = 0
    lines: int = 0
    walked: int = 0
    named: int = 0
    samples: list[str] = field(default_factory=list)


def gather(folder: Path) -> Iterator[Text]:
    for name in ("commands", "project", "servers"):
        (folder / name).mkdir()
    yield from found()
    yield from manuals()
    yield from bytecode()
    yield from data_sets()
    yield from servers(folder / "servers")
    yield from commands(folder / "commands", ROOT)
    (folder / "project" / "p").mkdir()
    yield from builds(folder / "project" / "p")


def points(path: Path, *, chosen: bool) -> dict[str, list[tuple[int, float]]]:
    adapter, result, cursor = LogAdapter(), dict[str, list[tuple[int, float]]](), None
    roots = Roots([str(path if chosen else path.parent)])
    for input in adapter.discover(roots):
        while True:
            try:
                batch = adapter.read(input, cursor, Budget(seconds=1e9, now_ms=4e12, final=True))
            except InputDead:  # a binary file
                break
            for name, series in batch.series.items():
                pairs = zip(series.points.iteration.tolist(), series.points.value.tolist(), strict=True)
                result.setdefault(name, []).extend(pairs)
            cursor = batch.cursor
            if not batch.more:
                break
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, help="keep the texts in this folder")
    keep = parser.parse_args().keep
    table: dict[str, Row] = defaultdict(Row)
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary) / "texts"
        for number, text in enumerate(gather(Path(temporary))):
            path = folder / text.kind.replace(" ", "-").replace(",", "") / str(number) / text.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.data)
            measure(path, text, table[text.kind])
    report(table)


def measure(path: Path, text: Text, row: Row) -> None:
    walked, named = points(path, chosen=False), points(path, chosen=True)
    row.texts += 1
    row.lines += text.data.count(b"\n") + 1
    row.walked += sum(map(len, walked.values()))
    row.named += sum(map(len, named.values()))
    if named or walked:
        some = "; ".join(
            f"{name} {pairs[0]} ({len(pairs)})" for name, pairs in list((named or walked).items())[:4]
        )
        row.samples.append(f"{path}: {some}")


def report(table: dict[str, Row]) -> None:
    total = Row()
    table = dict(sorted(table.items()))
    print(f"{'kind':<32}{'texts':>7}{'lines':>10}{'points':>8}{'if named':>10}")
    for row in table.values():
        for name in ("texts", "lines", "walked", "named"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
    for kind, row in (*table.items(), ("total", total)):
        print(f"{kind:<32}{row.texts:>7}{row.lines:>10}{row.walked:>8}{row.named:>10}")
    for row in table.values():
        print(*row.samples, sep="\n", end="\n" if row.samples else "")
    if max(total.walked, total.named) > total.lines * MOST:
        sys.exit("too many points")


if __name__ == "__main__":
    main()
