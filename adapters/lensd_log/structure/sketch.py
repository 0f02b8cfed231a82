"""What one line holds: counters, values with their names, a phase, a rank."""

from __future__ import annotations

from dataclasses import dataclass, field

#: A counter whose kind no word tells: `20/400`; the first number of a line.
FRACTION, LEAD = "fraction", "lead"


@dataclass(slots=True)
class Count:
    """A counter of a line. total: what it is printed to be out of. at, total_at: where the two begin."""

    kind: str
    value: int
    total: int | None = None
    word: str = ""
    at: int = -1
    total_at: int = -1


@dataclass(slots=True)
class Value:
    """A value of a line. signed: a sign (`=`, `:`) joins it to its name. phase: in the name. at:
    where the number begins."""

    name: str
    value: float
    unit: str = ""
    signed: bool = True
    phase: str | None = None
    at: int = -1


@dataclass(slots=True)
class Sketch:
    """One line. phase: of the whole line, as printed in `phase_word`. covered: the part of the line (0 to 1)
    that counters and values take up. whole: they and phases are all it says. code: it looks like a line of a
    program. words: how many it holds."""

    counts: list[Count] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    phase: str | None = None
    phase_word: str = ""
    rank: int | None = None
    covered: float = 0.0
    whole: bool = False
    code: bool = False
    words: int = 0
    rank_at: int = -1
    key: str = ""

    def count(self, *kinds: str) -> Count | None:
        """The first counter of the first of these kinds that there is."""
        for kind in kinds:
            for count in self.counts:
                if count.kind == kind:
                    return count
        return None

    def shape(self) -> str:
        """What lines that differ in numbers alone have in common."""
        if not self.key:
            counts = ",".join(count.word or count.kind for count in self.counts)
            names = ",".join(value.name for value in self.values)
            self.key = f"{counts}|{self.phase_word}|{names}"
        return self.key
