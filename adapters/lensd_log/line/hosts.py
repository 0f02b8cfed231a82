"""Labels of launchers and log collectors in front of a line: the host, pod, service or rank that printed it.

Labels are recognised by their shape. A label that a log format could print itself (`name: `, `name | `,
`[name]`) is stripped only if it names a machine, or if a timestamp or a level follows. Labels with a word of
training in them (`[Epoch 3]`, `val-1 | `) are left alone, unless they name a machine.
"""

from __future__ import annotations

import re

#: Levels of Python's logging, loguru and others.
LEVELS = "DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|TRACE|SUCCESS|NOTICE"

_MACHINES = (
    "rank|(?:local|global)_rank|node|host|gpu|cuda|xla|tpu|npu|device|worker|trainer|proc|process|master|chief"
    "|learner|pod|server|machine|compute|algo|default|launcher"
)
# Words of counters, phases and metrics, and words that tell series apart (`fold-1`).
_TRAINING = re.compile(
    r"(?:^|[^a-z\d])(?:epochs?|steps?|iter\w*|it|batch\w*|update|episode|round|rollout|game|generation|train|training"
    r"|val|valid|validation|validate|eval|evaluation|test|dev|loss\w*|acc\w*|lr|top|map|f|p|r|recall|precision"
    r"|reward|bleu|rouge|hits?|ndcg|mrr|auc|iou|ppl|score|fold|stage|phase|model|layer|head|task|client|agent"
    r"|player|env|exp|class|group|level|net|d|g)(?![a-z])"
    r"|loss|accuracy|reward|error",
    re.IGNORECASE,
)
# A timestamp with its date or in brackets, or a level.
_PREFIX_AHEAD = (
    r"(?=\s{0,4}[-|:]?\s{0,4}(?:\[?\d{4}(?P<dash>[-/.]?)\d\d(?P=dash)\d\d[T_ ,]\s?\d\d:\d\d:\d\d"
    r"|\[\d\d:\d\d:\d\d"
    r"|\[?\d\d/\d\d(?:/\d{4})? \d\d:\d\d:\d\d|[IWEF]\d{4} \d\d:\d\d:\d\d"
    rf"|\[?(?:{LEVELS})\b))"
)

# mpirun `[1,0]<stdout>:`, Horovod `[1]<stderr>:`, SageMaker `[1,mpirank:0,algo-1]<stdout>:`
_STREAM = re.compile(r"\[([^\[\]<>\n]{1,80})\]<(?:stdout|stderr|stddiag)>:? ?")
_STREAM_RANK = re.compile(r"mpirank:(\d{1,6})|(?:^|,)(\d{1,6})$")
# `[gpu01:0/2]`, `[node:3]:`, `[gpu0]`, `[rank: 0]`, `[worker-3/8]`
_BRACKETED = re.compile(
    rf"\[(?i:(?:{_MACHINES})[ :=#_-]{{0,3}}|[a-z][\w.-]{{0,60}}\d:)(\d{{1,6}})(?:/\d{{1,6}})?\]:?"
)
# `xla:0/2 `, `cuda:1: `
_DEVICE = re.compile(r"(?:xla|cuda|gpu|tpu|npu|rank|worker|node):(\d{1,6})(?:/\d{1,6})?[ :]\s?(?=\S)")
# kubectl logs --prefix `[pod/name/container]`
_PATH = re.compile(r"\[(pod/)?[a-z][\w.-]{0,253}(?:/[\w.-]{1,253}){1,3}\]:?(?=\s)")
_POD_RANK = re.compile(r"-(\d{1,5})[/\]]")
# docker compose `trainer-1  | `
_COMPOSE = re.compile(r"([A-Za-z][\w.-]{0,80}) {1,80}\| ?")
# pdsh `node17: `, `worker-1: `
_COLON = re.compile(r"([A-Za-z][\w.@-]{0,120}):(?: |(?=\[))")
_NUMBER_AHEAD = re.compile(r"\s{0,40}[-+.]?\d")
_HOST = re.compile(
    r"(?i:(?:[\w.]{1,40}-){0,3}(?:node|host|machine|compute|server|ip|cn|gn|nid|dgx|hpc))[-_]?\d[\w.-]*"
)
_MACHINE = re.compile(
    rf"(?i:(?:[\w.]{{1,40}}-){{0,3}}(?:{_MACHINES}))[-_]?\d{{0,6}}(?:[-_.][\w.-]{{0,100}})?"
    r"|(?:ip|cn|gn|nid|dgx|hpc)[-_]?\d[\w.-]{0,60}"
)
_NUMBERED = re.compile(r"[A-Za-z][\w.]{0,40}(?:-[\w.]{1,40}){0,3}[-_]\d{1,5}(?:-[a-z0-9]{5})?")
_LAST_NUMBER = re.compile(r"(\d{1,6})(?:/\d{1,6}|-[a-z0-9]{5})?$")
# stern `trainer-7c9d8b6f5-x2k4z trainer `, `job-master-0 trainer `
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"  # the characters of Kubernetes' random suffixes
_STERN = re.compile(
    rf"[a-z](?:[a-z0-9-]{{0,200}})-(?:{_RANDOM}{{5}}|(?:master|worker|chief|ps|launcher|node)-(\d{{1,5}}))"
    r" (?:› )?([a-z][a-z0-9-]{0,62}) (?=\S)"
)
# Any label before a timestamp or a level: `[myrun]`, `job: `, `job | `, MPICH's `[0] `
_BEFORE_PREFIX = re.compile(
    r"(?:\[(?:(\d{1,6})|[A-Za-z_][^\[\]\n=]{0,80})\]:?|[A-Za-z][\w.@/-]{0,100}(?::| {1,40}\|))"
    + _PREFIX_AHEAD
)
# NeMo `[NeMo I 2025-03-04 05:06:00 file:12] `
_NEMO = re.compile(r"\[[A-Za-z][\w .-]{0,30} (?=\d{4}-\d\d-\d\d[ T]\d\d:)")
# A number without a separator before a timestamp in brackets, as some collectors print it.
_GLUED = re.compile(r"\d{1,5}(?=\[\d{4}-?\d\d-?\d\d[ T]\d\d:)")
# syslog `<165>`, RFC 5424 `<165>1 ` and, behind its timestamp, `host app procid msgid [data] `
PRIORITY = re.compile(r"<\d{1,3}>(?:\d{1,2} )?")
SYSLOG_FIELDS = re.compile(
    r"[\w.:-]{1,255} [\w./@-]{1,48} [\w./-]{1,128} [\w./-]{1,32} (?:-|\[[^\]\n]{0,300}\])(?: \ufeff?|$)"
)


def host_label(text: str, at: int) -> tuple[int, int | None] | None:
    """Where the label at `at` ends, and the rank that it names. None where there is no label."""
    first = text[at : at + 1]
    if first == "[":
        return _bracketed(text, at)
    if first.isalpha():
        return _plain(text, at)
    if first.isdigit() and (glued := _GLUED.match(text, at)):
        return glued.end(), None
    return None


def _bracketed(text: str, at: int) -> tuple[int, int | None] | None:
    if stream := _STREAM.match(text, at):
        rank = _STREAM_RANK.search(stream[1])
        return stream.end(), int(rank[1] or rank[2]) if rank else None
    if label := _BRACKETED.match(text, at):
        return None if _is_training(label[0]) else (label.end(), int(label[1]))
    if path := _PATH.match(text, at):
        if not path[1] and _is_training(path[0]):
            return None
        rank = _POD_RANK.search(path[0])
        return path.end(), int(rank[1]) if rank else None
    if label := _NEMO.match(text, at) or _BEFORE_PREFIX.match(text, at):
        if _is_training(label[0]):
            return None
        return label.end(), int(label[1]) if label.re is _BEFORE_PREFIX and label[1] else _rank_of(label[0])
    return None


def _plain(text: str, at: int) -> tuple[int, int | None] | None:
    if device := _DEVICE.match(text, at):
        return device.end(), int(device[1])
    if label := _COMPOSE.match(text, at):
        return _service(label, text)
    if label := _COLON.match(text, at):
        number_ahead = _NUMBER_AHEAD.match(text, label.end())
        if (_HOST if number_ahead else _MACHINE).fullmatch(label[1]) and _has_digit(label[1]):
            return label.end(), _rank_of(label[1])
    elif (pod := _STERN.match(text, at)) and not _is_training(pod[2]):
        return pod.end(), int(pod[1]) if pod[1] else None
    return _before_prefix(text, at)


def _service(label: re.Match[str], text: str) -> tuple[int, int | None] | None:
    """Docker compose's name of a container. The cells of tables look alike."""
    name, rest = label[1], text[label.end() :].strip()
    if _MACHINE.fullmatch(name) and _has_digit(name) and "  |" in label[0]:
        return label.end(), _rank_of(name)  # at least two blanks, whatever follows
    if rest.endswith("|"):
        return None
    named = _MACHINE.fullmatch(name) or (_NUMBERED.fullmatch(name) and not _is_training(name))
    if named and not rest[:1].isdigit():
        return label.end(), _rank_of(name)
    return _before_prefix(text, label.start())


def _before_prefix(text: str, at: int) -> tuple[int, int | None] | None:
    label = _BEFORE_PREFIX.match(text, at)
    if label is None or _is_training(label[0]):
        return None
    return label.end(), _rank_of(label[0].rstrip(": |"))


def _has_digit(name: str) -> bool:
    return any(map(str.isdigit, name))


def _rank_of(name: str) -> int | None:
    rank = _LAST_NUMBER.search(name)
    return int(rank[1]) if rank else None


def _is_training(label: str) -> bool:
    return _TRAINING.search(label) is not None
