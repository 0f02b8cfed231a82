"""What a run tells about the framework that trains it, as `POST /wandb/detection` takes it.

The body is that of primus-lens-wandb-exporter 0.2.0. Modules are looked up in `sys.modules` and never
imported: what is merely installed does not train this run, and importing it can take seconds or touch a GPU.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from typing import Any

from .masking import is_secret_name, masked

_VARIABLES = (
    "FRAMEWORK TRAINING_FRAMEWORK BACKEND"
    " PRIMUS_CONFIG PRIMUS_VERSION PRIMUS_BACKEND PRIMUS_PATH"
    " DEEPSPEED_CONFIG DS_CONFIG DEEPSPEED_VERSION MEGATRON_CONFIG MEGATRON_LM_PATH JAX_BACKEND JAX_PLATFORMS"
    " WORKLOAD_UID POD_UID POD_NAME POD_NAMESPACE"
    " RANK LOCAL_RANK WORLD_SIZE NODE_RANK SLURM_NODEID SLURM_JOB_ID"
).split()

#: Framework to the variables that speak for it.
_BY_VARIABLE = {
    "primus": ("PRIMUS_CONFIG", "PRIMUS_VERSION", "PRIMUS_BACKEND"),
    "deepspeed": ("DEEPSPEED_CONFIG", "DS_CONFIG", "DEEPSPEED_VERSION"),
    "megatron": ("MEGATRON_CONFIG", "MEGATRON_LM_PATH"),
    "jax": ("JAX_BACKEND", "JAX_PLATFORMS"),
}
#: Framework to the module whose presence means that it is in use.
_WRAPPERS = {
    "primus": ("primus",),
    "lightning": ("lightning.pytorch", "pytorch_lightning"),
    "transformers_trainer": ("transformers.trainer",),
}
_BASES = {
    "megatron": ("megatron.core", "megatron.training", "megatron"),
    "deepspeed": ("deepspeed",),
    "jax": ("jax",),
    "transformers": ("transformers",),
}
_CI = {
    "build_url": ("BUILD_URL", "CI_JOB_URL"),
    "image_tag": ("IMAGE_TAG",),
    "git_commit": ("GIT_COMMIT", "CI_COMMIT_SHA", "GITHUB_SHA"),
    "git_branch": ("GIT_BRANCH", "CI_COMMIT_BRANCH", "GITHUB_REF_NAME"),
    "git_repo": ("GIT_REPO", "CI_PROJECT_URL", "GITHUB_REPOSITORY"),
    "ci_pipeline_id": ("CI_PIPELINE_ID", "GITHUB_RUN_ID"),
}


def collect(run: Any, identity: dict[str, str], namespace: str) -> dict[str, Any]:
    """The body for a run. `identity` holds workload_uid, pod_uid and pod_name."""
    config = _config(run)
    found = {
        "wandb": {
            "project": _text(getattr(run, "project", None)),
            "name": _text(getattr(run, "name", None)),
            "id": identity["run_id"],
            "config": config,
            "tags": [str(tag) for tag in getattr(run, "tags", None) or ()],
        },
        "environment": {
            name: os.environ[name] for name in _VARIABLES if os.environ.get(name) and not is_secret_name(name)
        },
        "pytorch": _pytorch(),
        "wrapper_frameworks": _loaded(_WRAPPERS),
        "base_frameworks": _loaded(_BASES),
        "system": {
            "python_version": sys.version,
            "python_executable": sys.executable,
            "platform": sys.platform,
            "machine": platform.machine(),
        },
        "hardware": _hardware(),
        "software": {"packages": _versions()},
    }
    build = {
        key: value
        for key, names in _CI.items()
        if (value := next(filter(None, map(os.environ.get, names)), ""))
    }
    if build:
        found["build"] = build
    now = time.time()
    return {
        "source": "wandb",
        "type": "framework_detection_raw",
        "version": "1.0",
        "workload_uid": identity["workload_uid"],
        "pod_uid": identity["pod_uid"],
        "pod_name": identity["pod_name"],
        "run_id": identity["run_id"],
        "namespace": namespace,
        "evidence": found,
        "hints": hints(found, now),
        "timestamp": now,
    }


def hints(found: dict[str, Any], now: float) -> dict[str, Any]:
    """A first guess, for people who read the debug messages; the server judges the evidence itself."""
    wrappers: list[str] = []
    bases: list[str] = []
    signs: list[str] = []
    strong = 0

    def speaks_for(name: str, sign: str, weight: int) -> None:
        nonlocal strong
        into = wrappers if name in _WRAPPERS or name == "pytorch_lightning" else bases
        if name not in into:
            into.append(name)
        signs.append(sign)
        strong += weight

    for name in (*found["wrapper_frameworks"], *found["base_frameworks"]):
        speaks_for(name, f"import.{name}", 2)
    for name, variables in _BY_VARIABLE.items():
        if any(each in found["environment"] for each in variables):
            speaks_for(name, f"{name.upper()} env vars", 1)
    framework = found["environment"].get("FRAMEWORK")
    if framework:
        speaks_for(framework.lower(), f"FRAMEWORK={framework}", 1)
    config = found["wandb"]["config"]
    for key in ("framework", "base_framework"):
        if isinstance(config.get(key), str):
            speaks_for(config[key].lower(), f"wandb_config.{key}", 1)
    trainer = str(config.get("trainer") or "").lower()
    for name in ("deepspeed", "megatron"):
        if name in trainer:
            speaks_for(name, "wandb_config.trainer", 0)
    layers: dict[str, Any] = {each: {"layer": "wrapper", "base_frameworks": bases} for each in wrappers}
    layers.update({each: {"layer": "base", "wrapper_frameworks": wrappers} for each in bases})
    return {
        "wrapper_frameworks": wrappers,
        "base_frameworks": bases,
        "possible_frameworks": wrappers + bases,
        "confidence": "high" if strong >= 2 else "medium" if strong else "low",
        "primary_indicators": signs,
        "framework_layers": layers,
        "timestamp": now,
    }


def _config(run: Any) -> dict[str, Any]:
    config = getattr(run, "config", None)
    as_dict = getattr(config, "as_dict", None)
    given = as_dict() if callable(as_dict) else config
    return masked(given) if isinstance(given, Mapping) else {}


def _version(module: object) -> str | None:
    version = getattr(module, "__version__", None)
    return str(version) if version is not None else None


def _loaded(wanted: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, modules in wanted.items():
        loaded = next((each for each in modules if sys.modules.get(each) is not None), None)
        if loaded is not None:
            package = sys.modules.get(loaded.split(".")[0])
            found[name] = {"detected": True, "version": _version(package), "module_name": loaded}
    return found


def _pytorch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {"available": False}
    version = getattr(torch, "version", None)
    found: dict[str, Any] = {
        "available": True,
        "version": _version(torch),
        "cuda_available": _cuda_in_use(torch),
        "detected_modules": {
            name: sys.modules.get(name) is not None
            for name in ("deepspeed", "megatron", "transformers", "lightning")
        },
    }
    for key, attribute in (("cuda_version", "cuda"), ("rocm_version", "hip")):
        if getattr(version, attribute, None):
            found[key] = str(getattr(version, attribute))
    return found


def _cuda_in_use(torch: Any) -> bool:
    """Only whether it has been initialised: asking for more would initialise it."""
    asked = getattr(getattr(torch, "cuda", None), "is_initialized", None)
    return bool(asked()) if callable(asked) else False


def _hardware() -> dict[str, Any]:
    found: dict[str, Any] = {"gpu_count": 0, "gpu_name": None, "gpu_memory_gb": None, "gpu_arch": None}
    torch: Any = sys.modules.get("torch")
    if torch is not None and _cuda_in_use(torch):
        first = torch.cuda.get_device_properties(0)
        found["gpu_count"] = int(torch.cuda.device_count())
        found["gpu_name"] = str(first.name)
        found["gpu_memory_gb"] = round(first.total_memory / 2**30, 1)
        found["gpu_arch"] = getattr(first, "gcnArchName", None) or f"sm_{first.major}{first.minor}"
    return found


def _versions() -> dict[str, str]:
    names = (
        "wandb",
        "torch",
        "transformers",
        "lightning",
        "pytorch_lightning",
        "deepspeed",
        "megatron",
        "jax",
        "numpy",
    )
    found = {name: _version(sys.modules.get(name)) for name in names}
    return {name: version for name, version in found.items() if version}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
