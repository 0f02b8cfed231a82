"""What W&B knows of a run beside its values, as facts: labels, command, machine.

Names: `run_id`, `entity`, `project`, `group`, `job_type`, `name`, `notes`, `sweep` and `host` are strings,
`tags` is a JSON list of strings; `command` is a command line with secrets masked; `python`, `os` and `gpu`
are descriptions, `gpu_count` is a number.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from lensd.hook.masking import masked_arguments
from lensd.model import Fact
from lensd.wandb.values import config_facts

_LONGEST = 1000


def label_facts(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Fact]:
    """Facts for the texts in `values` that are not empty. names: the fact's name by key; that of `tags` is
    a list."""
    facts: dict[str, Fact] = {}
    for key, name in names.items():
        value = values.get(key)
        if name == "tags" and isinstance(value, list):
            facts |= tag_facts(value)
        elif isinstance(value, str) and value:
            facts[name] = value[:_LONGEST]
    return facts


def tag_facts(tags: Iterable[object]) -> dict[str, Fact]:
    """`tags` as a JSON list, because tags may hold commas; no fact without tags."""
    texts = [tag for tag in tags if isinstance(tag, str) and tag]
    return {"tags": json.dumps(texts)} if texts else {}


def command_line(program: str, arguments: Iterable[object]) -> str:
    """A command as a shell would take it, with secrets masked."""
    return shlex.join([program, *masked_arguments([str(argument) for argument in arguments])])[:_LONGEST]


def environment_facts(environment: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts of the environment of a run.

    Format: `files/wandb-metadata.json` of SDK 0.12 to 0.31, which newer ones also send with the
    configuration, below `_wandb.e`.
    """
    facts = label_facts(environment, {"host": "host", "python": "python", "os": "os", "gpu": "gpu"})
    program, arguments = environment.get("program"), environment.get("args")
    if isinstance(program, str) and program:
        facts["command"] = command_line(program, arguments if isinstance(arguments, list) else ())
    count = environment.get("gpu_count")
    if isinstance(count, int) and count > 0:
        facts["gpu_count"] = count
    return facts


def facts_of_internal(config: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts of what the SDK keeps below `_wandb` of a configuration: the environment of the last process."""
    internal = config.get("_wandb")
    if isinstance(internal, dict) and isinstance(internal.get("value"), dict):
        internal = internal["value"]
    environments = internal.get("e") if isinstance(internal, dict) else None
    facts: dict[str, Fact] = {}
    for environment in environments.values() if isinstance(environments, dict) else ():
        if isinstance(environment, dict):
            facts |= environment_facts(environment)
    return facts


def facts_of_evidence(evidence: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts of the evidence that a client of `POST /wandb/detection` sends of a run.

    Format: primus-lens-wandb-exporter 0.2.0; lensd's hook adds what it does not have.
    """
    run, system, hardware = (_mapping(evidence.get(key)) for key in ("wandb", "system", "hardware"))
    labels = ("project", "name", "entity", "group", "job_type", "notes", "sweep", "tags")
    facts = label_facts(run, {"id": "run_id"} | {label: label for label in labels})
    facts |= config_facts(_mapping(run.get("config")))
    arguments = system.get("arguments")
    program, *rest = arguments if isinstance(arguments, list) and arguments else [""]
    facts |= environment_facts(
        {
            "host": system.get("host"),
            "python": str(system.get("python_version") or "").split(" ")[0],
            "gpu": hardware.get("gpu_name"),
            "gpu_count": hardware.get("gpu_count"),
            "program": program,
            "args": rest,
        }
    )
    return facts


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
