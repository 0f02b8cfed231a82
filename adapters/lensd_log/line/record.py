"""What a log format is given and what it gives back. Nothing here reads files or keeps anything between
lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lensd_log.line.timestamps import Timestamp

#: What a log format remembers from line to line: JSON values only, kept in the cursor. Starts empty.
State = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One line with its wrappers (container, rank, colours, logging prefix) taken off.

    text: the final state of the line. states: every state a redrawn line went through, oldest first; just the
    text where it was not redrawn. complete: false for what was cut off in the middle.
    indent: blanks before the text, those that a prefix ends with included.
    """

    text: str
    states: Sequence[str]
    complete: bool = True
    indent: int = 0


@dataclass(slots=True)
class Record:
    """What one line says at one step.

    values: names as printed, numbers as printed. step: None where the line does not tell it; then an
    `evaluation` takes the last training step before it, anything else its ordinal in the file.
    ts_ms: UTC ms where the record itself carries an absolute time; printed_time: a time as text, which the
    reader reads in the configured zone. step_ms: what one step took; elapsed_s: seconds
    since training began; both help to reckon the time of a line that has none. target: the last iteration
    to come. labels: text columns. framework: what printed it, where the line tells more than the log format's
    name. units: of the values that were printed with one, by name.
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


#: Records of a line; empty for a line that the log format knows and that gives nothing (a header, a bar);
#: None for a line that is not the log format's.
Parsed = Sequence[Record] | None

#: A line that is the log format's and ought to have given a point, but cannot: counted as unparsed.
UNREADABLE: Parsed = (Record(()),)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """One way of printing metrics.

    needles: a line that contains none of these is never given to `parse` (none: every line is).
    framework: the fact told when it first gives points. generic: only asked while no other log format has
    matched in the file. peek: may look at a line whose newline has not come, to complete what is open.
    rest: gives what is open as it is, and closes it, where nothing more comes.
    columns: lines whose text matches this may be read by the thousand (see `template`): digits decide nothing
    in them but numbers, they leave the log format's state as it is, and what they give is one record or none.
    """

    name: str
    parse: Callable[[Entry, State], Parsed]
    needles: tuple[str, ...] = ()
    framework: str | None = None
    generic: bool = False
    peek: Callable[[Entry, State], Sequence[Record]] | None = None
    rest: Callable[[State], Sequence[Record]] | None = None
    columns: re.Pattern[str] | None = None


#: For log formats all of whose lines are so.
EVERY_LINE = re.compile("")


@dataclass(slots=True)
class ParsedLine:
    """What one line says, before it is placed in steps and time."""

    log_format: LogFormat | None = None
    records: tuple[Record, ...] | None = None
    stamp: Timestamp | None = None
    container_ms: float | None = None
    rank: int | None = None
    unparsed: bool = False
    blank: bool = False
    columns: bool = False  #: every log format that was asked says that digits decide nothing here but numbers
    state: State = field(default_factory=dict)  #: of the log format, in which it was read
    steady: bool = True  #: no log format's state was changed
    specific: bool = False  #: generic log formats were not asked

    @property
    def time(self) -> float | None:
        """UTC milliseconds where the line prints them in full."""
        if self.stamp is not None:
            return self.stamp.ms
        return self.container_ms


#: Reads one line as the reader would, and changes nothing.
Look = Callable[[bytes], ParsedLine | None]
