"""The log adapter: which text files are inputs, and which reader each of them gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lensd.adapter import Budget, Diagnosis, InputGone
from lensd.discovery import File, Roots
from lensd.model import Batch, Input, Restarts
from lensd.tail import base_name
from lensd_log import patterns, runicorn
from lensd_log import trainer_state as documents
from lensd_log.cursor import LogCursor
from lensd_log.diagnosis import Observer
from lensd_log.fast.walk import Shapes
from lensd_log.reader import LineReader
from lensd_log.recognition import Recognition

_TEXT = (".log", ".out", ".txt")
_STRUCTURED = (".jsonl", ".csv", ".log.json")
_EVENTS = "events.jsonl"
_LOOK = 1 << 20  # bytes that are looked at in one go
_TRAINER_STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)\Z")
# Text that other tools put beside a run and that no training writes its progress to.
_NEVER = re.compile(
    r"(?:requirements|readme|licen[cs]e|copying|changelog|cmakelists|vocab|merges|constraints|conda|pip|packages|environment)"
    r"[\w.-]*\.(?:txt|csv)\Z",
    re.IGNORECASE,
)
_FOREIGN = ("tfevents", ".wandb", ".db", ".sqlite")


class LogAdapter:
    """Reads text logs, JSON lines and CSV.

    options: `timezone`, the zone of times that are printed without one (a name of the IANA database; UTC by
    default). `ranks`: `lowest` (a metric that several ranks print is the lowest one's) or `every` (those of
    the others too where they differ, as `name{rank=N}`). `patterns`: a list of what `patterns.Pattern` takes.
    Raises ValueError for any other.
    """

    name = "log"
    data_source = "log"
    shared_options = ("timezone", "ranks", "patterns")

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        given = dict(options or {})
        zone = _zone(given.pop("timezone", None))
        ranks = given.pop("ranks", "lowest")
        if ranks not in ("lowest", "every"):
            raise ValueError(f"ranks must be 'lowest' or 'every', not {ranks!r}")
        self._every_rank = ranks == "every"
        own = patterns.log_formats(given.pop("patterns", []))
        if given:
            known = "timezone, ranks, patterns"
            raise ValueError(f"the log adapter has no option {min(given)!r}; there are: {known}")
        self._recognition = Recognition(own, zone)
        self._shapes = Shapes()

    def discover(self, roots: Roots) -> Iterator[Input]:
        """One input for each stream: rotated and packed pieces belong to the file they were rotated from."""
        seen: set[str] = set()
        states: dict[str, tuple[float, File]] = {}
        for file in roots.files(_wanted):
            stream = _stream(file, roots)
            if stream is None or stream.path in seen:
                continue
            seen.add(stream.path)
            if stream.name == _TRAINER_STATE:
                run, age = _saved(stream)
                states[run] = max(states.get(run, (-1.0, stream)), (age, stream), key=lambda pair: pair[0])
                continue
            yield self._input(roots, stream)
        for _, stream in states.values():
            yield self._input(roots, stream)

    def _input(self, roots: Roots, file: File) -> Input:
        if file.name == _EVENTS:
            return roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                restarts=Restarts.NEVER,
                companions=[os.path.join(file.folder, name) for name in runicorn.COMPANIONS],
            )
        structured = file.name.endswith(_STRUCTURED) or file.name == _TRAINER_STATE
        return roots.input(file, adapter=self.name, data_source=self.data_source, structured=structured)

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next batch. Raises RetryAfter, InputGone, InputDead."""
        if os.path.basename(input.path) == _TRAINER_STATE:
            return documents.read(input, cursor, budget)
        state = LogCursor.decode(cursor)
        if os.path.basename(input.path) != _EVENTS:
            return self._reader(input, state, budget).read()
        found = runicorn.facts(os.path.dirname(input.path))
        try:
            batch = self._reader(input, state, budget, binary_allowed=True).read()
        except InputGone:
            if not found:
                raise
            batch = Batch(cursor=b"")
        batch.facts.update({name: value for name, value in found.items() if state.told.get(name) != value})
        state.told.update(found)
        batch.cursor = state.encode()
        return batch

    def explain(self, input: Input, budget: Budget) -> Diagnosis:
        """What each line of a text log says and why, as far as the budget reaches. Raises as `read` does."""
        observer, cursor = Observer(), LogCursor()
        while True:
            part = Budget(_LOOK, budget.points, budget.seconds, budget.now_ms, budget.final, budget.clock)
            strict = os.path.basename(input.path) == _EVENTS
            batch = self._reader(input, cursor, part, binary_allowed=strict, observer=observer).read()
            observer.batch(batch)
            cursor = LogCursor.decode(batch.cursor)
            if not batch.more or budget.spent(observer.found.read_bytes, observer.found.point_count):
                return observer.finish()

    def _reader(
        self,
        input: Input,
        state: LogCursor,
        budget: Budget,
        *,
        binary_allowed: bool = False,
        observer: Observer | None = None,
    ) -> LineReader:
        return LineReader(
            input,
            state,
            budget,
            self._recognition,
            self._shapes,
            every_rank=self._every_rank,
            binary_allowed=binary_allowed,
            observer=observer,
        )

    def close(self) -> None:
        """Nothing is held between reads."""


def _wanted(name: str) -> bool:
    base = base_name(name)
    if base in ("status.json", _TRAINER_STATE):
        return True
    return base.endswith((*_TEXT, *_STRUCTURED)) and not _NEVER.match(base)


def _stream(file: File, roots: Roots) -> File | None:
    """The file as its stream: a rotated piece becomes the file it was rotated from, the status of a
    Runicorn run without events becomes the events that may come. None for what is no input."""
    if file.name == "status.json":
        names = roots.siblings(file.folder)
        if "meta.json" not in names or _EVENTS in names:
            return None
        return replace(file, name=_EVENTS, path=os.path.join(file.folder, _EVENTS))
    if not _wanted(file.name):  # a file that the user named
        return None if any(part in file.name for part in _FOREIGN) else file
    base = base_name(file.name)
    return file if base == file.name else replace(file, name=base, path=os.path.join(file.folder, base))


def _saved(file: File) -> tuple[str, float]:
    """The run that a trainer state belongs to, and how new it is: each checkpoint repeats those before it,
    and the one that lies in the run's own folder is the last."""
    found = _CHECKPOINT.match(os.path.basename(file.folder))
    if found is None:
        return file.folder, float("inf")
    return os.path.dirname(file.folder), float(found[1])


def _zone(given: object) -> tzinfo | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise ValueError(f"timezone must be a name as 'Europe/Berlin', not {given!r}")
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {given!r} is not known; use a name as 'Europe/Berlin'") from None
