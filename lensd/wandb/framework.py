"""Which framework trains a workload: one answer, with a confidence, from the evidence of several sources.

Pure functions over JSON values. The rules and scores are those of AMD Primus-Lens (telemetry-processor of
November 2025), whose clients send such evidence and expect such answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lensd.hook.frameworks import BASES, IN_TRAINER, MODULES_WITH_TORCH, VARIABLES, WRAPPERS

_ALIASES = {
    "huggingface": "transformers", "transformers_trainer": "transformers",
    "pytorch-lightning": "lightning", "pytorch_lightning": "lightning",
}  # fmt: skip
#: Under which name lists show a framework that has several.
LISTED = {
    "transformers": "huggingface", "transformers_trainer": "huggingface",
    "pytorch-lightning": "lightning", "pytorch_lightning": "lightning",
}  # fmt: skip
_PRIORITY = {"user": 100, "component": 80, "wandb": 70, "log": 60, "reuse": 50, "image": 40, "default": 20}
#: Confidence in a module that is loaded beside torch.
_MODULE_CONFIDENCE = {"lightning": 0.6, "deepspeed": 0.6, "megatron": 0.6, "transformers": 0.55}
#: Words in the names of projects.
_PROJECTS = (
    ("primus", ("primus",)),
    ("lightning", ("lightning", "pl-training")),
    ("deepspeed", ("deepspeed", "ds-training")),
    ("megatron", ("megatron",)),
    ("jax", ("jax",)),
    ("transformers", ("transformers",)),
)


class FrameworkSource(msgspec.Struct):
    """The answer of one source. frameworks: outermost first. detected_at: RFC 3339."""

    source: str
    framework: str
    frameworks: list[str]
    confidence: float
    detected_at: str
    evidence: dict[str, Any]
    type: str = "training"


class Conflict(msgspec.Struct):
    source1: str
    source2: str
    framework1: str
    framework2: str
    resolution: str
    resolved_at: str


class Detection(msgspec.Struct):
    """The answer of all sources together, as `GET /workloads/{uid}/framework-detection` returns it."""

    workload_uid: str
    framework: str
    frameworks: list[str]
    type: str
    confidence: float
    status: str
    wrapper_framework: str | None
    base_framework: str | None
    sources: list[FrameworkSource]
    conflicts: list[Conflict]
    version: str
    updated_at: str


def from_evidence(body: Mapping[str, Any], detected_at: str) -> FrameworkSource | None:
    """The framework in the evidence of a W&B client, by the first rule that applies; None if none does."""
    evidence = _mapping(body.get("evidence"))
    wandb = _mapping(evidence.get("wandb"))
    environment = _mapping(evidence.get("environment"))
    match = (
        _from_imports(evidence)
        or _from_environment(environment)
        or _from_config(_mapping(wandb.get("config")))
        or _from_modules(_mapping(evidence.get("pytorch")))
        or _from_project(str(wandb.get("project") or ""))
    )
    if match is None:
        return None
    method, frameworks, confidence = match
    summary = {
        "method": method,
        "wandb_project": wandb.get("project"),
        "wandb_name": wandb.get("name"),
        "environment_vars": sorted(str(name) for name in environment if not str(name).endswith("_UID")),
        "hints": _mapping(body.get("hints")).get("possible_frameworks") or [],
        "detected_at": detected_at,
    }
    return FrameworkSource("wandb", frameworks[0], frameworks, confidence, detected_at, summary)


#: The method of a rule, the frameworks (outermost first) and the confidence; None where it does not apply.
Match = tuple[str, list[str], float] | None


def _from_imports(evidence: Mapping[str, Any]) -> Match:
    wrappers = _detected(evidence.get("wrapper_frameworks"), WRAPPERS)
    bases = _detected(evidence.get("base_frameworks"), BASES)
    base = _mapping(_mapping(evidence.get("wrapper_frameworks")).get("primus")).get("base_framework")
    if isinstance(base, str) and base and not bases:
        bases = [base.lower()]
    both = [*wrappers[:1], *bases[:1]]
    return ("import_detection", both, 0.9) if both else None


def _from_environment(environment: Mapping[str, Any]) -> Match:
    for framework, names in VARIABLES.items():
        if any(name in environment for name in names):
            base = str(environment.get("PRIMUS_BACKEND") or "").lower() if framework == "primus" else ""
            return "env_vars", [framework, base] if base else [framework], 0.8
    name = str(environment.get("FRAMEWORK") or "").lower()
    return ("env_framework", [name], 0.75) if name else None


def _from_config(config: Mapping[str, Any]) -> Match:
    for key in ("framework", "base_framework"):
        if isinstance(config.get(key), str) and config[key]:
            both = [str(config[key]).lower()]
            base = config.get("base_framework")
            if key == "framework" and isinstance(base, str) and base and base.lower() not in both:
                both.append(base.lower())
            return f"wandb_config_{key}", both, 0.7
    trainer = str(config.get("trainer") or "").lower()
    for framework in IN_TRAINER:
        if framework in trainer:
            return "wandb_config_trainer", [framework], 0.65
    for framework in ("primus", "deepspeed", "megatron"):
        if f"{framework}_config" in config:
            return "wandb_config_key", [framework], 0.65
    return None


def _from_modules(pytorch: Mapping[str, Any]) -> Match:
    modules = pytorch.get("detected_modules")
    if not pytorch.get("available") or not isinstance(modules, (list, dict)):
        return None
    loaded = {str(name) for name in modules if not isinstance(modules, dict) or modules[name]}
    for name in MODULES_WITH_TORCH:
        if name in loaded:
            return "pytorch_modules", [name], _MODULE_CONFIDENCE[name]
    return None


def _from_project(project: str) -> Match:
    for framework, words in _PROJECTS:
        if any(word in project.lower() for word in words):
            return "wandb_project_name", [framework], 0.5
    return None


def from_log(framework: str, input_name: str, detected_at: str) -> FrameworkSource:
    """The framework whose log format a workload's log has."""
    frameworks = ["primus", "megatron"] if framework == "primus" else [_canonical(framework)]
    evidence = {"method": "log_dialect", "input": input_name, "detected_at": detected_at}
    return FrameworkSource("log", frameworks[0], frameworks, 0.7, detected_at, evidence)


def merged(workload_uid: str, answers: Sequence[FrameworkSource]) -> Detection | None:
    """One answer from the latest answer of each source; None where there is none."""
    latest = {answer.source: answer for answer in sorted(answers, key=lambda answer: answer.detected_at)}
    sources = sorted(latest.values(), key=_rank, reverse=True)
    if not sources:
        return None
    first = sources[0]
    agreeing = [source for source in sources if _agree(first.frameworks, source.frameworks)]
    conflicts = [_conflict(first, source) for source in sources if source not in agreeing]
    confidence = _confidence(sources, conflict=bool(conflicts))
    frameworks = _layers([name for source in agreeing for name in source.frameworks])
    return Detection(
        workload_uid,
        frameworks[0],
        frameworks,
        "training",
        round(confidence, 4),
        _status(confidence, len(sources), bool(conflicts)),
        next((name for name in frameworks if name in WRAPPERS), None),
        next((name for name in frameworks if name not in WRAPPERS), None),
        sources,
        conflicts,
        "1.0",
        max(source.detected_at for source in sources),
    )


def _conflict(first: FrameworkSource, other: FrameworkSource) -> Conflict:
    return Conflict(
        first.source,
        other.source,
        first.framework,
        other.framework,
        f"higher_priority_{first.source}({_weight(first)})_vs_{other.source}({_weight(other)})",
        max(first.detected_at, other.detected_at),
    )


def _confidence(sources: Sequence[FrameworkSource], *, conflict: bool) -> float:
    """Agreement of several sources raises the confidence, a conflict lowers that of the first."""
    if len(sources) == 1:
        return sources[0].confidence
    if conflict:
        return max(0.3, sources[0].confidence - 0.2)
    weights = [_weight(source) for source in sources]
    mean = sum(w * s.confidence for w, s in zip(weights, sources, strict=True)) / sum(weights)
    return min(1.0, mean + 0.1 * (len(sources) - 1))


def _status(confidence: float, sources: int, conflict: bool) -> str:
    if conflict:
        return "conflict"
    if confidence >= 0.85 and sources > 1:
        return "verified"
    if confidence >= 0.6:
        return "confirmed"
    return "suspected" if confidence >= 0.3 else "unknown"


def _agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """The same framework, or a wrapper over what may be its base."""
    ones, others = [_canonical(name) for name in one], [_canonical(name) for name in other]
    if set(ones) & set(others):
        return True
    wraps = {name in WRAPPERS for name in ones} != {name in WRAPPERS for name in others}
    return wraps and len(ones) == len(others) == 1


def _layers(names: Sequence[str]) -> list[str]:
    """Each framework once, wrappers first."""
    unique = list(dict.fromkeys(_canonical(name) for name in names))
    return sorted(unique, key=lambda name: name not in WRAPPERS)


def _canonical(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def _rank(source: FrameworkSource) -> tuple[int, float, str]:
    return _weight(source), source.confidence, source.detected_at


def _weight(source: FrameworkSource) -> int:
    return _PRIORITY.get(source.source, _PRIORITY["default"])


def _detected(frameworks: object, order: Sequence[str]) -> list[str]:
    """The frameworks of `{name: {"detected": true}}`, those of `order` first and in that order."""
    detected = [
        str(name)
        for name, about in _mapping(frameworks).items()
        if isinstance(about, Mapping) and about.get("detected")
    ]
    listed = [name for name in order if name in detected]
    return [*listed, *(name for name in detected if name not in listed)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
