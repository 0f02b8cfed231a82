"""What a run reports about the framework that trains it, as `POST /wandb/detection` accepts it.

The body is that of primus-lens-wandb-exporter 0.2.0. Modules are looked up in `sys.modules` and never
imported: an installed framework does not have to be the one in use, and importing it can take seconds or
touch a GPU.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .frameworks import BASE_MODULES, IN_TRAINER, MODULES_WITH_TORCH, VARIABLES, WRAPPER_MODULES, WRAPPERS
from .masking import is_secret_name, masked, masked_arguments

_REPORTED_VARIABLES = (
    *(name for names in VARIABLES.values() for name in names),
    *("FRAMEWORK", "TRAINING_FRAMEWORK", "BACKEND", "PRIMUS_PATH"),
    *("WORKLOAD_UID", "POD_UID", "POD_NAME", "POD_NAMESPACE"),
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "SLURM_NODEID", "SLURM_JOB_ID"),
)
_MOST_ARGUMENTS = 200
_MOST_AXES = 1000
_REPORTED_VERSIONS = tuple(
    "wandb torch transformers lightning pytorch_lightning deepspeed megatron jax numpy".split()
)
#: What CI systems say about the build, by the key it is reported under.
_BUILD_VARIABLES = {
    "build_url": ("BUILD_URL", "CI_JOB_URL"),
    "image_tag": ("IMAGE_TAG",),
    "git_commit": ("GIT_COMMIT", "CI_COMMIT_SHA", "GITHUB_SHA"),
    "git_branch": ("GIT_BRANCH", "CI_COMMIT_BRANCH", "GITHUB_REF_NAME"),
    "git_repo": ("GIT_REPO", "CI_PROJECT_URL", "GITHUB_REPOSITORY"),
    "ci_pipeline_id": ("CI_PIPELINE_ID", "GITHUB_RUN_ID"),
}


def detection_body(
    run: Any, identity: Mapping[str, str], namespace: str, axes: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The body for a run. `identity` holds workload_uid, pod_uid, pod_name and run_id. axes: of metrics."""
    now_s = time.time()
    evidence = _evidence(run, identity["run_id"])
    if axes:
        evidence["wandb"]["axes"] = [list(pair) for pair in axes[:_MOST_AXES]]
    return {
        "source": "wandb",
        "type": "framework_detection_raw",
        "version": "1.0",
        "workload_uid": identity["workload_uid"],
        "pod_uid": identity["pod_uid"],
        "pod_name": identity["pod_name"],
        "run_id": identity["run_id"],
        "namespace": namespace,
        "evidence": evidence,
        "hints": _hints(evidence, now_s),
        "timestamp": now_s,
    }


def _evidence(run: Any, run_id: str) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "wandb": {
            "project": _string(getattr(run, "project", None)),
            "name": _string(getattr(run, "name", None)),
            "id": run_id,
            "config": _config(run),
            "tags": [str(tag) for tag in getattr(run, "tags", None) or ()],
            "entity": _string(getattr(run, "entity", None)),
            "group": _string(getattr(run, "group", None)),
            "job_type": _string(getattr(run, "job_type", None)),
            "notes": _string(getattr(run, "notes", None)),
            "sweep": _string(getattr(run, "sweep_id", None)),
        },
        "environment": {
            name: os.environ[name]
            for name in _REPORTED_VARIABLES
            if os.environ.get(name) and not is_secret_name(name)
        },
        "pytorch": _pytorch(),
        "wrapper_frameworks": _loaded(WRAPPER_MODULES),
        "base_frameworks": _loaded(BASE_MODULES),
        "system": {
            "python_version": sys.version,
            "python_executable": sys.executable,
            "platform": sys.platform,
            "machine": platform.machine(),
            "host": platform.node(),
            "arguments": masked_arguments(sys.argv[:_MOST_ARGUMENTS]),
        },
        "hardware": _hardware(),
        "software": {"packages": _versions()},
    }
    build = _build()
    if build:
        evidence["build"] = build
    return evidence


def _hints(evidence: Mapping[str, Any], now_s: float) -> dict[str, Any]:
    """A first guess for people who read the debug messages; the server judges the evidence itself."""
    signs = _signs(evidence)
    names = list(dict.fromkeys(name for name, _, _ in signs))
    wrappers = [name for name in names if name in WRAPPERS]
    bases = [name for name in names if name not in WRAPPERS]
    strength = sum(weight for _, _, weight in signs)
    layers: dict[str, Any] = {name: {"layer": "wrapper", "base_frameworks": bases} for name in wrappers}
    layers.update({name: {"layer": "base", "wrapper_frameworks": wrappers} for name in bases})
    return {
        "wrapper_frameworks": wrappers,
        "base_frameworks": bases,
        "possible_frameworks": wrappers + bases,
        "confidence": "high" if strength >= 2 else "medium" if strength else "low",
        "primary_indicators": [sign for _, sign, _ in signs],
        "framework_layers": layers,
        "timestamp": now_s,
    }


def _signs(evidence: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Framework, sign and weight of everything that points to a framework."""
    environment, config = evidence["environment"], evidence["wandb"]["config"]
    signs = [
        (name, f"import.{name}", 2)
        for name in (*evidence["wrapper_frameworks"], *evidence["base_frameworks"])
    ]
    signs += [
        (name, f"{name.upper()} env vars", 1)
        for name, variables in VARIABLES.items()
        if any(variable in environment for variable in variables)
    ]
    framework = environment.get("FRAMEWORK")
    if framework:
        signs.append((framework.lower(), f"FRAMEWORK={framework}", 1))
    signs += [
        (config[key].lower(), f"wandb_config.{key}", 1)
        for key in ("framework", "base_framework")
        if isinstance(config.get(key), str)
    ]
    trainer = str(config.get("trainer") or "").lower()
    signs += [(name, "wandb_config.trainer", 0) for name in IN_TRAINER if name in trainer]
    return signs


def _config(run: Any) -> dict[str, Any]:
    config = getattr(run, "config", None)
    as_dict = getattr(config, "as_dict", None)
    values = as_dict() if callable(as_dict) else config
    return masked(values) if isinstance(values, Mapping) else {}


def _build() -> dict[str, str]:
    values = {
        key: next(filter(None, map(os.environ.get, names)), "") for key, names in _BUILD_VARIABLES.items()
    }
    return {key: value for key, value in values.items() if value}


def _loaded(frameworks: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The frameworks one of whose modules is loaded."""
    loaded: dict[str, Any] = {}
    for name, modules in frameworks.items():
        module = next((module for module in modules if sys.modules.get(module) is not None), None)
        if module is not None:
            package = sys.modules.get(module.split(".")[0])
            loaded[name] = {"detected": True, "version": _version(package), "module_name": module}
    return loaded


def _pytorch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {"available": False}
    about: dict[str, Any] = {
        "available": True,
        "version": _version(torch),
        "cuda_available": _cuda_in_use(torch),
        "detected_modules": {name: sys.modules.get(name) is not None for name in MODULES_WITH_TORCH},
    }
    version = getattr(torch, "version", None)
    for key, attribute in (("cuda_version", "cuda"), ("rocm_version", "hip")):
        if getattr(version, attribute, None):
            about[key] = str(getattr(version, attribute))
    return about


def _hardware() -> dict[str, Any]:
    hardware: dict[str, Any] = {"gpu_count": 0, "gpu_name": None, "gpu_memory_gb": None, "gpu_arch": None}
    torch: Any = sys.modules.get("torch")
    if torch is not None and _cuda_in_use(torch):
        first = torch.cuda.get_device_properties(0)
        hardware["gpu_count"] = int(torch.cuda.device_count())
        hardware["gpu_name"] = str(first.name)
        hardware["gpu_memory_gb"] = round(first.total_memory / 2**30, 1)
        hardware["gpu_arch"] = getattr(first, "gcnArchName", None) or f"sm_{first.major}{first.minor}"
    return hardware


def _cuda_in_use(torch: Any) -> bool:
    """Whether CUDA is initialised. Any other question would initialise it."""
    is_initialized = getattr(getattr(torch, "cuda", None), "is_initialized", None)
    return bool(is_initialized()) if callable(is_initialized) else False


def _versions() -> dict[str, str]:
    versions = {name: _version(sys.modules.get(name)) for name in _REPORTED_VERSIONS}
    return {name: version for name, version in versions.items() if version}


def _version(module: object) -> str | None:
    return _string(getattr(module, "__version__", None))


def _string(value: object) -> str | None:
    return None if value is None else str(value)
