"""A line cut into words, numbers, and what is neither (times, places in the source, identifiers).

One regular expression; its alternatives begin with different characters or end at the same place, and every
part is bounded or matches in one way only, so that a hostile line costs no more than its length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lensd_log.line.numbers import to_float
from lensd_log.structure.words import COUNTERS, EAST

_WORD = rf"[^\W{EAST}]"
_LETTER = rf"[^\W\d{EAST}]"
_GLUED = "|".join(
    sorted((word for word in COUNTERS if word.isascii() and word.isalpha() and len(word) > 2), key=len)[::-1]
)

_PHASED = "train|training|val|valid|validation|eval|evaluation|dev|test"

_TOKEN = re.compile(
    rf"""
    (?=[\w.+-])(?:
      (?P<skip>(?=[h\d])(?:
          https?://\S{{1,500}}
        | (?<![\w.])\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}
          (?:[T\ _]\ ?\d{{1,2}}[:-]\d\d(?:[:-]\d\d)?(?:[.,]\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)
        | (?<![\w.])(?:\d{{1,5}}\ days?,\ )?\d{{1,4}}:[0-5]\d(?::[0-5]\d)?(?:[.,]\d{{1,9}})?(?![\w:])
        | (?<![\w.])\d{{1,5}}[dhm]\ ?\d{{1,2}}(?:\.\d{{1,6}})?[hms](?:\ ?\d{{1,2}}(?:\.\d{{1,6}})?s)?(?!\w)
      ))
    | (?P<glued>(?<!\w)(?=[A-Za-z]{{3,20}}[-_]?\d)(?i:{_GLUED}))[-_]?(?P<glued_number>\d{{1,15}})(?![\w.]*\w)
    | (?P<lead>\A[eE]p?)(?P<lead_number>\d{{1,9}})(?=[ \t]?[|:\]]|[ \t]+[a-z])
    | (?P<phase>(?<!\w)(?i:{_PHASED}))@(?P<phase_number>\d{{1,15}})(?![\w.]*\w)
    | (?P<word>{_LETTER}{_WORD}*(?:(?:[@./+-]|'(?=s\b)){_WORD}+)*)
      (?P<place>(?:(?<=\.(?:py|cc|cu|rs|go))|(?<=\.cpp)):\ ?\d{{1,6}})?
    | (?P<east>[{EAST}]+)
    | (?P<number>(?:(?<![\w)\]])[-+])?
        (?:\d{{1,3}}(?:,\d{{3}})+(?![\d])(?:\.\d+)?|(?:\d+(?:\.\d*)?|(?<!\d)\.\d+)(?:[eE][-+]?\d+)?))
      (?P<unit>%|[A-Za-zµμ]{{1,10}}(?:/[A-Za-z]{{1,12}}){{0,2}}|/[A-Za-z]{{1,4}})?
      (?!{_WORD}|\.\d)
    | (?P<identifier>\d[\w.-]*)
    )
    """,
    re.VERBOSE,
)
#: A progress bar between its percentage and its counter.
_BAR = re.compile(r"\d{1,3}%\|[^|]{0,400}\|(?=\s{0,8}\d{1,12}/\d)")

_FILE = re.compile(
    r"\.(?:ckpt|pth?|safetensors|bin|npz|npy|h5|hdf5|pkl|pickle|onnx|json|jsonl|ya?ml|txt|csv|tsv|png|log|zip|gz|tar"
    r"|whl|so|html)\b"
    r"|[?&][\w%.-]{1,40}="  # a query of a request: `/train?step=5&loss=0.5`
)

#: Options of a command: `--lr 0.1 --epochs 90`.
_OPTION = re.compile(r"(?<!\S)--[a-z][\w-]{0,40}(?:[ =](?!--)\S{1,200})?")

_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6}
WORD, NUMBER, SKIPPED = "word", "number", "skipped"
LONGEST = 4000  #: characters of a line that is read
_LONGEST_WHOLE = 20
_MOST = 400  # tokens of a line


class Token(NamedTuple):
    """kind: one of the above. begin, end: in the text. text: as printed, of a number without its unit."""

    kind: str
    begin: int
    end: int
    text: str
    unit: str = ""

    @property
    def is_whole(self) -> bool:
        return (
            self.kind == NUMBER
            and not self.unit
            and self.text.rstrip(".").isdecimal()
            and len(self.text) < 20
        )

    @property
    def whole(self) -> int:
        return int(self.text.rstrip("."))

    @property
    def thousands(self) -> int | None:
        """`1.2k` and `1M` as a count; None for what is none."""
        count = (
            float(self.text) * _SCALES[self.unit] if self.unit in _SCALES and "," not in self.text else 0.5
        )
        return round(count) if abs(count - round(count)) < 1e-6 and self.kind == NUMBER else None

    @property
    def value(self) -> float:
        return to_float(self.text)

    @property
    def key(self) -> str:
        return self.text.lower()


#: Signs as East Asian texts have them, and what they stand for.
FULL_WIDTH = str.maketrans("：，；＝（）［］【】／％　、", ":,;=()[][]/% ,")


def cleaned(text: str) -> str:
    """`Epoch 0:  20%|##   | 1/5 [..` as `Epoch 0:   1/5 [..`, and without names of files requests and
    options, which hold numbers too (`a/val_loss=0.24-step=99.ckpt`)."""
    if "%|" in text:
        text = _BAR.sub(" ", text)
    if _has_options(text):
        text = _OPTION.sub("", text)
    if _FILE.search(text):
        text = " ".join("" if _FILE.search(part) else part for part in text.split(" "))
    return text


def _two(match: re.Match[str], group: str, word: str) -> tuple[Token, Token]:
    """A word and the number that is glued to it."""
    begin, end = match.span(f"{group}_number")
    return Token(WORD, *match.span(group), word), Token(NUMBER, begin, end, match[f"{group}_number"])


def blanked(text: str) -> str:
    """`cleaned`, with blanks in place of what is cut, so that words stay where they are, and plain signs."""
    text = text.translate(FULL_WIDTH)
    text = _BAR.sub(lambda match: " " * len(match[0]), text)
    if _has_options(text):
        text = _OPTION.sub(lambda match: " " * len(match[0]), text)
    return " ".join(" " * len(part) if _FILE.search(part) else part for part in text.split(" "))


def _has_options(text: str) -> bool:
    """Are there two at least? One alone may be an ornament."""
    return text.count("--") > 1 and len(_OPTION.findall(text)) > 1


def tokens(text: str) -> list[Token]:
    """The tokens of a line, in order. An empty list for a line too long to be a record."""
    if len(text) > LONGEST:
        return []
    result: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        begin, end = match.span()
        if kind in ("word", "east"):
            result.append(Token(WORD, begin, end, match[0]))
        elif match["number"] is not None:
            result.append(Token(NUMBER, begin, end, match["number"], match["unit"] or ""))
        elif match["glued"] is not None:
            result += _two(match, "glued", match["glued"])
        elif match["lead"] is not None:
            result += _two(match, "lead", "ep")
        elif match["phase"] is not None:
            result += _two(match, "phase", match["phase"])
        else:
            result.append(Token(SKIPPED, begin, end, match[0]))
        if len(result) > _MOST:
            return []
    return result
