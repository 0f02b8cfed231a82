"""nanoGPT, llm.c and their descendants.

    iter 10: loss 3.1680, time 444.91ms, mfu 0.42%                          nanoGPT
    step 25: train loss 2.6439, val loss 2.6545
    s:1 trl:10.9598 lr:0.000002 norm:15.24                                  llm.c main.log
    step   20/19560 | loss 7.41 (+1.2z)| norm 1.2 (+0.1z)| 3324.7 ms | 51.1% bf16 MFU | 157693 tok/s
    step 00012/21400 (0.06%) | loss: 7.1 | lrm: 1.00 | dt: 310.2ms | tok/sec: 1,690,127      nanochat
    250 val 6.1234                                                          build-nanogpt's log.txt
    step:125/3175 val_loss:4.48721 train_time:67.200s step_avg:537.60ms     modded-nanogpt

modded-nanogpt prints `train_time` in ms or in s, with the unit.
Source: karpathy/nanoGPT train.py, karpathy/llm.c llmc/logger.h and train_gpt2.cu, karpathy/build-nanogpt
train_gpt2.py, karpathy/nanochat scripts/base_train.py, KellerJordan/modded-nanogpt train_gpt.py.
"""

from __future__ import annotations

import re

from lensd_log.formats.pairs import Values, split_pairs
from lensd_log.line.numbers import NUMBER, UNIT
from lensd_log.line.record import EVERY_LINE, Entry, LogFormat, Parsed, Record, State

_ITER = re.compile(r"(?:iter|step) (\d{1,15}): (?=[A-Za-z][\w ]{0,30} [-+\dni])")
_WORDS = re.compile(rf"([A-Za-z][\w /]{{0,40}}) ({NUMBER}{UNIT})\Z")
_SHORT = re.compile(rf"s:(\d{{1,15}})((?: [a-z]{{2,8}}:{NUMBER}){{1,12}})\Z")
_BARS = re.compile(r"step\s{1,8}(\d{1,15})(?:/(\d{1,15}))?(?: \([\d.]{1,8}%\))? \| ")
_TOKENS = re.compile(r"\d tok/s|tok/sec: ")
_NAMED = re.compile(
    rf"\s*\(?([A-Za-z][\w/ ]{{0,30}}?):?\s{{1,8}}({NUMBER}{UNIT})(?: \([^)]{{0,20}}\))?\)?\s*\Z"
)
_UNNAMED = re.compile(rf"\s*\(?({NUMBER})(%?) ?([A-Za-z][\w/ ]{{0,30}})\)?\s*\Z")
_PLAIN = re.compile(rf"(\d{{1,12}}) (train|val|hella) ({NUMBER})\Z")
_SPEEDRUN = re.compile(rf"step:(\d{{1,15}})/(\d{{1,15}})((?: \w{{1,40}}:{NUMBER}{UNIT}){{1,12}})\s*\Z")


def _nanogpt(entry: Entry, state: State) -> Parsed:
    match = _ITER.match(entry.text)
    if match is None or not entry.complete:
        return None
    parts = [_WORDS.match(part) for part in entry.text[match.end() :].split(", ")]
    if not all(parts):
        return None
    metrics = Values((part[1], part[2]) for part in parts if part)
    return (Record(metrics.values, int(match[1]), units=metrics.units),) if metrics.values else None


def _llm_c(entry: Entry, state: State) -> Parsed:
    if not entry.complete:
        return None
    text = entry.text
    match = _SHORT.match(text)
    if match:
        return (Record(Values(split_pairs(match[2], " ", ":")).values, int(match[1])),)
    plain = _PLAIN.match(text)
    if plain:
        return (Record(Values(((plain[2], plain[3]),)).values, int(plain[1])),)
    match = _BARS.match(text)
    if match is None or not _TOKENS.search(text, match.end()):  # other projects separate with bars too
        return None
    parts = [_barred(part) for part in text[match.end() :].split("|")]
    if any(part is None for part in parts):  # another project's
        return None
    metrics = Values(part for part in parts if part)
    if not metrics.values:
        return None
    return (
        Record(
            metrics.values, int(match[1]), target=int(match[2]) if match[2] else None, units=metrics.units
        ),
    )


def _barred(part: str) -> tuple[str, str] | None:
    """A name and a quantity, two empty strings for what is none, and None for numbers that are neither."""
    if named := _NAMED.match(part):
        return named[1], named[2]
    if unnamed := _UNNAMED.match(part):
        return unnamed[3].strip(), unnamed[1] + unnamed[2]
    return None if any(character.isdigit() for character in part) else ("", "")


def _speedrun(entry: Entry, state: State) -> Parsed:
    match = _SPEEDRUN.match(entry.text)
    if match is None or not entry.complete:
        return None
    metrics = Values(split_pairs(match[3], " ", ":"))
    return (Record(metrics.values, int(match[1]), target=int(match[2]), units=metrics.units),)


NANOGPT = LogFormat("nanogpt", _nanogpt, needles=("iter ", "step "), framework="nanogpt", columns=EVERY_LINE)
LLM_C = LogFormat(
    "llm.c",
    _llm_c,
    needles=("s: ", " | ", " train ", " val ", " hella ", " trl:", " tel:", " eval:"),
    framework="llm.c",
    columns=EVERY_LINE,
)
MODDED_NANOGPT = LogFormat(
    "modded-nanogpt", _speedrun, needles=("step:/",), framework="modded-nanogpt", columns=EVERY_LINE
)
