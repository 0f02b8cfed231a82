"""What is known of a workload beside its points: configuration, labels, command and machine; and conditions
on these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lensd.model import Fact
from lensd.query.results import WorkloadDetail
from lensd.query.status import STATUS_FACTS
from lensd.query.workloads import summary_of, workload_info
from lensd.store.reader import Reader

#: Prefixes of the facts that configure a run; where two name one value, the last wins.
_CONFIGURES = ("hparams.", "config.")
#: Fields of WorkloadDetail that are facts of the same name.
_TEXTS = (
    "project", "entity", "group", "job_type", "notes", "sweep", "run_id", "host", "command",
)  # fmt: skip
#: Facts that are served elsewhere.
_ELSEWHERE = frozenset(
    {*_TEXTS, *STATUS_FACTS, "name", "status", "framework", "target_iteration", "tags", "detection"}
)

Condition = tuple[str, str]


def workload_detail(reader: Reader, uid: str) -> WorkloadDetail | None:
    """All that is known of a workload; None for one never seen."""
    workload = reader.workload(uid)
    if workload is None:
        return None
    summary = summary_of(reader, workload)
    facts = summary.facts
    fields: dict[str, Any] = msgspec.structs.asdict(workload_info(summary))
    fields |= {name: str(facts[name]) if facts.get(name) is not None else None for name in _TEXTS}
    return WorkloadDetail(
        **fields,
        tags=tags_of(facts),
        config=config_of(facts),
        summary=_under("summary.", facts),
        facts={
            name: value
            for name, value in facts.items()
            if name not in _ELSEWHERE and not name.startswith((*_CONFIGURES, "summary."))
        },
    )


def config_of(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """The configuration of a run by name, hyperparameters reported to TensorBoard included."""
    config: dict[str, Fact] = {}
    for prefix in _CONFIGURES:
        config |= _under(prefix, facts)
    return config


def tags_of(facts: Mapping[str, Fact]) -> list[str]:
    """The tags of a run. They are stored as a JSON list, by earlier versions with commas between them."""
    tags = facts.get("tags")
    if not isinstance(tags, str) or not tags:
        return []
    try:
        return msgspec.json.decode(tags, type=list[str])
    except msgspec.DecodeError:
        return [tag.strip() for tag in tags.split(",")]


def fulfils(facts: Mapping[str, Fact], conditions: Sequence[Condition]) -> bool:
    """Whether a run has the value of every condition: (name, value as text).

    A name is that of a fact (`project`, `config.lr`) or of a value of the configuration (`lr`). Numbers are
    compared as numbers, texts exactly, truth as `true` or `false`; `tag` is true for each of the run's tags.
    """
    return all(_is(facts, name, value) for name, value in conditions)


def _is(facts: Mapping[str, Fact], name: str, value: str) -> bool:
    if name in ("tag", "tags"):
        return value in tags_of(facts)
    held = facts[name] if name in facts else config_of(facts).get(name)
    if isinstance(held, bool):
        return value.lower() == str(held).lower()
    if isinstance(held, int | float):
        try:
            return float(value) == held
        except ValueError:
            return False
    return value == held


def _under(prefix: str, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {name.removeprefix(prefix): value for name, value in facts.items() if name.startswith(prefix)}
