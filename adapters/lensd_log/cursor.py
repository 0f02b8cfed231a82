"""Where reading goes on, and everything that has to be remembered for it: one JSON object.

Nothing that a later line depends on lives anywhere else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from lensd.tail import Position
from lensd_log.line.record import LogFormat, State

_VERSION = 2


@dataclass(slots=True)
class LogCursor:
    """position: in the stream of lines. log_format: the one that matched last; specific: some specific one
    has matched. states: each log format's own. clock: see `Clock`. partial: container lines whose end has
    not come.
    ranks: which rank a metric follows, with its last step, the distance to the one before, and its value.
    ended: the last read had reached the end. closed: bytes of a last line without newline that was given.
    passed: the input was taken for data, and read on from its end. mark_*: where the last line mark was made.
    told: facts as they were told. resting: where the file ended and when (UTC ms) a read first found it there
    with something left open.
    """

    position: Position = field(default_factory=Position)
    log_format: str | None = None
    specific: bool = False
    states: dict[str, State] = field(default_factory=dict)
    clock: State = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, list[float]] = field(default_factory=dict)
    last_step: int | None = None
    ordinal: int = 0
    ended: bool = False
    lines: int = 0
    matched: int = 0
    unparsed: int = 0
    closed: int = 0
    passed: bool = False
    mark_line: int = -1
    mark_offset: int = -1
    told: dict[str, Any] = field(default_factory=dict)
    resting: list[float] = field(default_factory=list)

    def matched_by(self, log_format: LogFormat) -> None:
        """Remember the log format that matched last."""
        self.log_format = log_format.name
        self.specific = self.specific or not log_format.generic

    def encode(self) -> bytes:
        return json.dumps({"v": _VERSION, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes | None) -> LogCursor:
        """A fresh cursor for None, and for one that a different version wrote."""
        if not data:
            return cls()
        try:
            value = json.loads(data)
            version = value.pop("v")
            if version == 1:  # lensd 0.1.0 had other names for two of the fields
                value["log_format"] = value.pop("dialect")
                value["position"]["segment"] = value["position"].pop("piece")
            elif version != _VERSION:
                return cls()
            value["position"] = Position.from_json(value["position"])
            return cls(**value)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()
