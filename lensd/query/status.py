"""Whether a workload runs, and how it ended.

| status | when |
|---|---|
| finished | it said so, its exit code is 0, or its target iteration is reached |
| failed | it said so, its exit code is not 0, or a traceback is the last thing it printed |
| interrupted | SIGINT or SIGTERM ended it, by its exit code or by what it printed last |
| running | it spoke a moment ago |
| crashed | it was heard while it ran, or said that it runs, then nothing for a while, or its process ended |
| ended | nothing says how, and it was never heard while it ran: copied files |
| unknown | it has no points and says nothing |

A while is five minutes, or ten steps if they take longer. A workload that speaks again runs again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lensd.model import Fact

SILENCE_MS = 5 * 60 * 1000.0
_SILENT_STEPS = 10
_SKEW_MS = 60_000.0  # clocks differ
_SIGNALS = (2, 15)  # SIGINT, SIGTERM
_INTERRUPTED = frozenset(code for number in _SIGNALS for code in (number - 256, -number, 128 + number))
_LAST_WORDS = {"traceback": "failed", "interrupt": "interrupted"}

#: Facts that only the status is made of.
STATUS_FACTS = frozenset({"seen_live", "abandoned_ms", "last_words", "process_status", "watched"})


@dataclass(frozen=True, slots=True)
class Signs:
    """What the status is told by. iteration, target: see Summary. last_point_ms, heard_ms: when its last
    point was made, and when lensd last read something of it, UTC milliseconds."""

    facts: Mapping[str, Fact]
    iteration: int | None
    target: int | None
    steps_per_second: float | None
    last_point_ms: float | None
    heard_ms: float | None


def status_of(signs: Signs, now_ms: float) -> str:
    """One of the statuses above, or what else the workload reports."""
    facts = signs.facts
    process, reported = facts.get("process_status"), facts.get("status")
    if isinstance(process, str) and process != "running":
        return process
    if isinstance(reported, str) and reported != "running":
        code = facts.get("exit_code")
        return "interrupted" if reported == "failed" and code in _INTERRUPTED else reported
    if reported == "running" and facts.get("watched"):
        return "running"
    last_words = _LAST_WORDS.get(str(facts.get("last_words")))
    if last_words is not None:
        return last_words
    if signs.target is not None and signs.iteration is not None and signs.iteration >= signs.target:
        return "finished"
    says_running = "running" in (process, reported)
    if signs.last_point_ms is None and not says_running:
        return "unknown"
    was_heard = says_running or bool(facts.get("seen_live"))
    if was_heard and _is_abandoned(signs):
        return "crashed"
    if now_ms - _last_ms(signs, was_heard, now_ms) < _patience_ms(signs.steps_per_second):
        return "running"
    return "crashed" if was_heard else "ended"


def of_exit_code(code: int) -> str:
    """The status of a command by its exit code, as a shell gives it."""
    if code == 0:
        return "finished"
    return "interrupted" if code in _INTERRUPTED else "failed"


def _last_ms(signs: Signs, was_heard: bool, now_ms: float) -> float:
    """When it spoke last. The clock of a training may be ahead of ours."""
    times = [signs.last_point_ms] if signs.last_point_ms is not None else []
    times = [ms for ms in times if ms < now_ms + _SKEW_MS]
    if signs.heard_ms is not None and (was_heard or not times):
        times.append(signs.heard_ms)
    return max(times, default=0.0)


def _is_abandoned(signs: Signs) -> bool:
    """Whether its processes ended, and nothing was heard after that."""
    abandoned_ms = signs.facts.get("abandoned_ms")
    return isinstance(abandoned_ms, int | float) and (signs.heard_ms or 0.0) <= abandoned_ms


def _patience_ms(steps_per_second: float | None) -> float:
    return max(SILENCE_MS, _SILENT_STEPS * 1000.0 / steps_per_second) if steps_per_second else SILENCE_MS
