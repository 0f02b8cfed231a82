"""Which files are inputs of the log adapter, by their names.

A name that says nothing (`metrics.csv`, `data.csv`) makes an input as well: `lensd_log.content` decides by
what the file holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import replace

from lensd.discovery import File, Roots
from lensd.model import Input, Series
from lensd.tail import as_segment, base_before, base_name, is_other_log, unpacked_name
from lensd_log.formats.csv_table import CSV
from lensd_log.line.record import State
from lensd_log.names import NAMED_BY_FILE, STEP_KEYS

EVENTS = "events.jsonl"  #: Runicorn
TRAINER_STATE = "trainer_state.json"
OUTPUT = "logs.txt"  #: Runicorn, and `lensd run`
_STATUS = "status.json"

#: Names of what programs print. PBS and SGE: `job.o123`, `job.e123`, `job.po123`; their array tasks
#: `job.o123-4`, `job.o123[4]`, `job.o123.4`. PaddlePaddle: `workerlog.0`. GNU screen: `screenlog.0`.
_LOG = re.compile(
    r".*\.(?:log|out|err|log\.json)"
    r"|.*\.p?[oe]\d+(?:[-.]\d+|\[\d+\])?"
    r"|(?:workerlog|screenlog)\.\d+"
    r"|stdout|stderr",
    re.IGNORECASE | re.DOTALL,
)
_SAYS_NOTHING = re.compile(r".*\.(?:txt|csv|tsv|jsonl|json)|[^.]+", re.IGNORECASE | re.DOTALL)
_STRUCTURED = (".jsonl", ".csv", ".tsv", ".json")
#: Their number is that of a task or a rank: they are not segments of one log.
_NUMBERED = re.compile(r"(?:workerlog|screenlog)\.\d+|.*\.p?[oe]\d+[-.]\d+", re.IGNORECASE | re.DOTALL)

# Text beside a run that is no log.
_NO_LOG = re.compile(
    r"(?:requirements|readme|licen[cs]e|copying|changelog|cmakelists|vocab|merges|constraints|conda|pip|packages|environment)"
    r"[\w.-]*\.(?:txt|csv)"
    r"|(?:entry_points|top_level|sources|dependency_links|not-zip-safe)\.txt"
    r"|(?:readme|licen[cs]e|copying|notice|authors|contributors|install|changelog|changes|todo|version|codeowners"
    r"|\w*makefile|dockerfile|procfile|pipfile|jenkinsfile|vagrantfile|rakefile|gemfile"
    r"|record|wheel|metadata|installer|pkg-info|requested)[\w-]*"
    r"|(?:package|tsconfig|jsconfig|composer|manifest|config|tokenizer|special_tokens_map|added_tokens|vocab|meta|assets|summary"
    r"|(?:generation|preprocessor|processor|adapter|tokenizer|model|training|quantize)_(?:config|args)"
    r"|chat_template|wandb-(?:summary|metadata)|.*\.index)[\w-]*\.json",
    re.IGNORECASE,
)
_OF_OTHER_ADAPTERS = ("tfevents", ".wandb", ".db", ".sqlite")
_TAG = re.compile(r".*[-_]tag-(.+)\.csv", re.DOTALL | re.IGNORECASE)
_CHECKPOINT = re.compile(r"checkpoint-(\d+)\Z")


def is_candidate(name: str) -> bool:
    """Can a file of this name be an input, or a segment of one?"""
    if "tfevents" in name:  # of a host called `e1`, say
        return False
    base = _base(name)
    if base in (_STATUS, TRAINER_STATE, EVENTS) or _LOG.fullmatch(base):
        return True
    if "." not in base and name != base:  # `train.gz`, `frame.0001`
        return False
    return says_nothing(base) and not _NO_LOG.fullmatch(base)


def says_nothing(name: str) -> bool:
    """Does the name of a stream leave open whether it is a log?"""
    return (
        name not in (TRAINER_STATE, EVENTS)
        and _LOG.fullmatch(name) is None
        and _SAYS_NOTHING.fullmatch(name) is not None
    )


def is_structured(name: str) -> bool:
    """Does the name promise records with named fields?"""
    return name.lower().endswith(_STRUCTURED)


def stream(file: File, roots: Roots, earlier: Collection[str] = ()) -> File | None:
    """The file that a stream of lines is named after: for a segment, the log it was rotated from; for the
    status of a Runicorn run without events, the events that may come. None for what is no input.

    earlier: paths of streams that were there before, if only a moment ago: between two names a log has none.
    """
    if file.name == _STATUS:
        names = roots.siblings(file.folder)
        if "meta.json" not in names or EVENTS in names:
            return None
        return _renamed(file, EVENTS)
    if not is_candidate(file.name):  # a file that the user named
        return None if any(part in file.name for part in _OF_OTHER_ADAPTERS) else file
    base = _base(file.name)
    log = base_before(base)
    if log is not None and not file.chosen and _goes_on(file, log, roots, earlier):
        return _renamed(file, log)
    if base == file.name:
        return file
    return _renamed(file, base) if _goes_on(file, base, roots, (os.path.join(file.folder, base),)) else file


def alone(file: File, stream: File) -> str | None:
    """The path of the stream that a segment of `stream` would be if the log were not there; None if it would
    be the same."""
    base = _base(file.name)
    if base != stream.name:
        return os.path.join(file.folder, base)
    name = as_segment(file.name, base)
    return file.path if name is not None and name.may_be_other and file.path != stream.path else None


def _goes_on(file: File, log: str, roots: Roots, earlier: Collection[str]) -> bool:
    """Was a file rotated from the log of that name beside it, by the name and where that leaves it open by
    the content?"""
    path, name = os.path.join(file.folder, log), as_segment(file.name, log)
    if name is None or log not in roots.siblings(file.folder):
        return path in earlier
    return not name.may_be_other or not is_other_log(file.path, path, name)


def _renamed(file: File, name: str) -> File:
    return replace(file, name=name, path=os.path.join(file.folder, name))


def checkpoint(file: File) -> tuple[str, float]:
    """The run folder of a trainer state, and its step. Each checkpoint repeats those before it; the one in
    the run's own folder is the last."""
    match = _CHECKPOINT.match(os.path.basename(file.folder))
    if match is None:
        return file.folder, float("inf")
    return os.path.dirname(file.folder), float(match[1])


def has_no_header(path: str) -> bool:
    """Is it a table of steps and values alone, which its name explains: `scalars/loss.csv`, as CSVLogger of
    torchrl writes it?"""
    folder, name = os.path.split(path)
    return os.path.basename(folder) == "scalars" and name.lower().endswith(".csv")


def expect(path: str, states: dict[str, State]) -> None:
    """Give the reader of tables the header that a file leaves out. states: of log formats, by name."""
    if has_no_header(path):
        states[CSV.name] = {"header": [STEP_KEYS[0], NAMED_BY_FILE]}


def name_series(series: dict[str, Series], input: Input) -> None:
    """Give the series that only its file names its name: the tag of a download of TensorBoard's dashboard
    (`run-a-tag-loss.csv`), else that of its column."""
    unnamed = series.pop(input.prefix + NAMED_BY_FILE, None)
    if unnamed is not None:
        name = os.path.basename(input.path)
        tag = _TAG.match(name)
        plain = name[:-4] if has_no_header(input.path) else "Value"
        series[input.prefix + (tag[1] if tag else plain)] = unnamed


def _base(name: str) -> str:
    plain = unpacked_name(name)
    return plain if _NUMBERED.fullmatch(plain) else base_name(name)
