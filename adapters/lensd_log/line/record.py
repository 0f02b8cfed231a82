"""What log formats take and return: entries, records, and the table entry of a log format itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lensd_log.line.timestamps import Timestamp

#: What a log format remembers from line to line: JSON values only, kept in the cursor. Starts empty.
State = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One line, stripped of its container, rank, colours and logging prefix.

    text: the final state of the line. states: every state that a redrawn line went through, oldest first;
    just the text where it was not redrawn. complete: false for a line that was cut off in the middle.
    indent: blanks before the text, including those that end a prefix. cleared: indices of states before
    which the line was blanked, as tqdm does to let something be written above its bars; the number of states
    where it was left blank. below: indices of states after which the cursor went up a line, as it does after
    bars that lie below others.
    """

    text: str
    states: Sequence[str]
    complete: bool = True
    indent: int = 0
    cleared: Sequence[int] = ()
    below: Sequence[int] = ()


@dataclass(slots=True)
class Record:
    """What one line says at one step.

    values: names and numbers as printed. step: None where none is printed; then an `evaluation` takes the
    last training step before it, and any other record its ordinal in the file. ts_ms: UTC ms where the record
    has an absolute time. printed_time: a time as a string, to be read in the configured zone. step_ms: how
    long one step took. elapsed_s: seconds since training began. The times of lines that print none are
    inferred from these two. target: the last step of the run. labels: names and strings. framework: what
    printed the line, where that is more specific than the log format's. units: by name, of values printed
    with one. counters: kind, value and total of each, for the structural reader to find the step with; such a
    record may be without values, and then places the lines below. epoch: where the step is printed beside an
    epoch, and may be its batch (see `epochs`). rank: where the line itself prints it.
    """

    values: Sequence[tuple[str, float]]
    step: int | None = None
    evaluation: bool = False
    ts_ms: float | None = None
    step_ms: float | None = None
    printed_time: str | None = None
    elapsed_s: float | None = None
    target: int | None = None
    labels: Sequence[tuple[str, str]] = ()
    framework: str | None = None
    units: Mapping[str, str] | None = None
    counters: Sequence[tuple[str, int, int | None]] | None = None
    rank: int | None = None
    epoch: float | None = None


#: The records of a line. Empty for a line that matches and holds none (a header, a bar). None for a line that
#: does not match.
Parsed = Sequence[Record] | None

#: For a line that matches and should hold a point, but cannot be read. It counts as unparsed.
UNREADABLE: Parsed = (Record(()),)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """One way of printing metrics.

    parse: the records of a line; may change the state. needles: `parse` only gets lines that contain one of
    these; without needles it gets all. framework: reported as a fact when the log format first matches.
    generic: only asked while no specific log format has matched in the file. peek: completes open records
    from a line whose newline has not come. rest: returns open records as they are and closes them, when
    nothing more comes. columns: lines whose text matches this may be read together (see `fast`): digits
    decide nothing in them but numbers, they do not change the state, and they hold one record or none.
    """

    name: str
    parse: Callable[[Entry, State], Parsed]
    needles: tuple[str, ...] = ()
    framework: str | None = None
    generic: bool = False
    peek: Callable[[Entry, State], Sequence[Record]] | None = None
    rest: Callable[[State], Sequence[Record]] | None = None
    columns: re.Pattern[str] | None = None


#: `columns` of log formats all of whose lines may be read together.
EVERY_LINE = re.compile("")


@dataclass(slots=True)
class EarlierRecord:
    """The record of an earlier line. line: its ordinal in the input, counted from 1. ts_ms: UTC ms, where it
    printed a time."""

    line: int
    ts_ms: float | None
    rank: int | None
    record: Record


@dataclass(slots=True)
class ParsedLine:
    """What one line says, before it gets a step and a time.

    log_format: None where none matched. stamp, container_ms, rank: what its prefixes and its container print.
    unparsed: the line looks like metrics, and no record could be read from it. blank: nothing but prefixes.
    waits: it is a record if later lines show that it is training. earlier: lines for which this one has.
    lost: how many lines that look like metrics wait no more, in vain. entry: the line, without its prefixes.
    """

    log_format: LogFormat | None = None
    records: tuple[Record, ...] | None = None
    stamp: Timestamp | None = None
    container_ms: float | None = None
    rank: int | None = None
    unparsed: bool = False
    blank: bool = False
    waits: bool = False
    earlier: Sequence[EarlierRecord] = ()
    lost: int = 0
    entry: Entry | None = None

    @property
    def time(self) -> float | None:
        """UTC milliseconds where the line prints them in full."""
        if self.stamp is not None:
            return self.stamp.ms
        return self.container_ms
