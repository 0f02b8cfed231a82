"""The log adapter: makes inputs of text files, and gives each its reader."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lensd.adapter import Budget, Diagnosis, InputGone
from lensd.discovery import File, Roots
from lensd.model import SET_ASIDE, Batch, Fact, Input, Restarts
from lensd_log import content, crowds, exports, files, patterns, runicorn, trainer_state
from lensd_log.blocks import BlockReader
from lensd_log.cursor import LogCursor
from lensd_log.diagnosis import DiagnosisBuilder
from lensd_log.reader import LineReader
from lensd_log.recognition import Recognition

_EXPLAIN_BYTES = 1 << 20  # of each read of a diagnosis


def block_reader(recognition: Recognition) -> BlockReader | None:
    """The fast path; None where it is not installed."""
    try:
        from lensd_log.fast.walk import TemplateReader
    except ModuleNotFoundError:
        return None
    return TemplateReader(recognition)


class LogAdapter:
    """Reads text logs, JSON lines and CSV.

    options: `timezone`, the IANA name of the zone of times that are printed without one (default: UTC).
    `ranks`: `lowest` (of a metric that several ranks print, only the lowest rank's points count) or `every`
    (those of the others too where they differ, as `name{rank=N}`). `patterns`: a list of dicts with the
    fields of `patterns.Pattern`. Raises ValueError for any other option.
    """

    name = "log"
    data_source = "log"
    shared_options = ("timezone", "ranks", "patterns")

    def __init__(self, options: Mapping[str, object] | None = None) -> None:
        rest = dict(options or {})
        zone = _zone(rest.pop("timezone", None))
        ranks = rest.pop("ranks", "lowest")
        if ranks not in ("lowest", "every"):
            raise ValueError(f"ranks must be 'lowest' or 'every', not {ranks!r}")
        self._every_rank = ranks == "every"
        own_formats = patterns.log_formats(rest.pop("patterns", []))
        if rest:
            raise ValueError(
                f"the log adapter has no option {min(rest)!r}; its options: timezone, ranks, patterns"
            )
        self._recognition = Recognition(own_formats, zone)
        self._blocks = block_reader(self._recognition)
        self._streams: set[str] = set()  # paths that were found before: a cache

    def discover(self, roots: Roots) -> Iterator[Input]:
        """One input for each stream: segments belong to the file that they were rotated from."""
        streams: dict[str, File] = {}
        parts: dict[str, list[str]] = {}
        states: dict[str, tuple[float, File]] = {}
        for file in roots.files(files.is_candidate):
            stream = files.stream(file, roots, self._streams)
            if stream is None:
                continue
            part = files.alone(file, stream) if stream.name != files.EVENTS else None
            if part is not None:
                parts.setdefault(stream.path, []).append(part)
            if stream.path in streams:
                continue
            streams[stream.path] = stream
            if stream.name == files.TRAINER_STATE:
                run, step = files.checkpoint(stream)
                states[run] = max(states.get(run, (-1.0, stream)), (step, stream), key=lambda pair: pair[0])
        crowd = crowds.split([s for s in streams.values() if s.name != files.TRAINER_STATE], roots)
        for stream in itertools.chain(*crowd, (stream for _, stream in states.values())):
            yield self._input(roots, stream, parts.get(stream.path, ()))
        self._streams |= streams.keys()

    def _input(self, roots: Roots, file: File, segments: Iterable[str]) -> Input:
        if file.name == files.EVENTS:
            return roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                restarts=Restarts.NEVER,
                companions=[os.path.join(file.folder, name) for name in runicorn.COMPANIONS],
            )
        of_process = file.name == files.OUTPUT and "meta.json" not in roots.siblings(file.folder)
        return roots.input(
            file,
            adapter=self.name,
            data_source=self.data_source,
            structured=files.is_structured(file.name),
            companions=[os.path.join(file.folder, "status.json")] if of_process else (),
            segments=segments,
        )

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next batch. Raises RetryAfter, InputGone, InputDead."""
        crowd = crowds.set_aside(input)
        if crowd is not None:
            return crowd
        if os.path.basename(input.path) == files.TRAINER_STATE:
            return trainer_state.read(input, cursor, budget)
        state = LogCursor.decode(cursor)
        if os.path.basename(input.path) != files.EVENTS:
            facts = runicorn.process_facts(os.path.dirname(input.path)) if input.companions else {}
            aside = _set_aside(input, state, budget, self._recognition) if not facts else None
            batch = aside or self._reader(input, state, budget).read()
            return _with_facts(batch, facts, state) if facts else batch
        facts = runicorn.facts(os.path.dirname(input.path))
        try:
            batch = self._reader(input, state, budget, binary_allowed=True).read()
        except InputGone:
            if not facts:
                raise
            batch = Batch(cursor=b"")
        return _with_facts(batch, facts, state)

    def explain(self, input: Input, budget: Budget) -> Diagnosis:
        """What the lines of a text log say, and why, within the budget. Raises what `read` raises."""
        diagnosis, cursor = DiagnosisBuilder(), LogCursor()
        self._recognition.watch(diagnosis.see)
        try:
            cursor = self._read_all(input, cursor, budget, diagnosis)
        finally:
            self._recognition.watch(None)
        result = diagnosis.finish(cursor)
        aside = _set_aside(replace(input, chosen=False), LogCursor(), budget, self._recognition)
        if aside is not None and os.path.basename(input.path) not in (files.EVENTS, files.TRAINER_STATE):
            result.note = f"within a folder it is {aside.note}"
        return result

    def _read_all(
        self, input: Input, cursor: LogCursor, budget: Budget, diagnosis: DiagnosisBuilder
    ) -> LogCursor:
        """Read the whole input, or what the budget allows. Returns the cursor after it."""
        while True:
            part = Budget(
                _EXPLAIN_BYTES, budget.points, budget.seconds, budget.now_ms, budget.final, budget.clock
            )
            is_events = os.path.basename(input.path) == files.EVENTS
            batch = self._reader(input, cursor, part, binary_allowed=is_events, diagnosis=diagnosis).read()
            diagnosis.add_batch(batch)
            cursor = LogCursor.decode(batch.cursor)
            spent = budget.spent(diagnosis.diagnosis.read_bytes, diagnosis.diagnosis.point_count)
            if not batch.more or spent:
                return cursor

    def _reader(
        self,
        input: Input,
        state: LogCursor,
        budget: Budget,
        *,
        binary_allowed: bool = False,
        diagnosis: DiagnosisBuilder | None = None,
    ) -> LineReader:
        as_export = not binary_allowed and exports.is_export(input, state, budget, self._recognition.zone)
        reader = exports.ExportReader if as_export else LineReader
        return reader(
            input,
            state,
            budget,
            self._recognition,
            self._blocks,
            every_rank=self._every_rank,
            binary_allowed=binary_allowed,
            diagnosis=diagnosis,
        )

    def close(self) -> None:
        """Nothing is held between reads."""


def _with_facts(batch: Batch, facts: dict[str, Fact], state: LogCursor) -> Batch:
    """The batch with those facts of companion files that are new."""
    batch.facts.update({name: value for name, value in facts.items() if state.reported.get(name) != value})
    state.reported.update(facts)
    batch.cursor = state.encode()
    return batch


def _set_aside(input: Input, state: LogCursor, budget: Budget, recognition: Recognition) -> Batch | None:
    """The empty batch of an input that looks like no log; None for one that is read.

    What has been read once is read on, and so is what the user named.
    """
    says_nothing = files.says_nothing(os.path.basename(input.path)) and not files.has_no_header(input.path)
    if input.chosen or state.position.segment or not says_nothing:
        return None

    def reads(lines: list[bytes]) -> bool:
        return any(record.values for record in recognition.records_of(lines, LogCursor()))

    try:
        state.set_aside = content.set_aside(input.path, state.set_aside, reads, final=budget.final)
    except OSError:
        return None  # the reader raises the same
    if not state.set_aside:
        return None
    return Batch(
        cursor=state.encode(),
        log_format=SET_ASIDE,
        note=f"not read, as it looks like no log: {state.set_aside['why']}; to have it read, name the file on"
        " the command line or in a [[source]]",
    )


def _zone(name: object) -> tzinfo | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise ValueError(f"timezone must be a name such as 'Europe/Berlin', not {name!r}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {name!r} is not known; use a name such as 'Europe/Berlin'") from None
