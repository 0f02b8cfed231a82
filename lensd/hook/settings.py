"""Settings of the hook, from environment variables. docs/wandb.md lists them."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Where a pod finds the service by its documented name; elsewhere lensd is expected on this machine.
IN_CLUSTER = "http://primus-lens-telemetry-processor:8080/api/v1"
ON_THIS_MACHINE = "http://127.0.0.1:8080/api/v1"

_PREFIXES = ("LENSD_", "PRIMUS_LENS_", "")
_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def variable(name: str, default: str = "") -> str:
    """The value of `LENSD_NAME`, else of `PRIMUS_LENS_NAME`, else of `NAME`, stripped. Empty means unset."""
    for prefix in _PREFIXES:
        value = os.environ.get(prefix + name, "").strip()
        if value:
            return value
    return default


def switch(name: str, default: bool) -> bool:
    value = variable(name).lower()
    return value in ("true", "1", "yes", "on") if value else default


def number(name: str, default: float, least: float) -> float:
    """The value of a variable; the default where it is not a number or below `least`."""
    try:
        value = float(variable(name) or default)
    except ValueError:
        return default
    return value if value >= least else default


def debugging() -> bool:
    return switch("WANDB_DEBUG", False)


def reports() -> bool:
    """Whether this process reports: rank 0 does, and the others when LENSD_WANDB_ALL_RANKS is set."""
    return is_first_rank() or switch("WANDB_ALL_RANKS", False)


def is_first_rank() -> bool:
    ranks = (os.environ[name] for name in _RANKS if os.environ.get(name))
    return next(ranks, "0").strip() == "0"


@dataclass(frozen=True)
class HookSettings:
    """Times in seconds, spool_bytes in bytes, batch_values and memory_values in values."""

    base_url: str
    token: str
    workload: str
    pod_uid: str
    pod_name: str
    namespace: str
    interval: float = 1.0
    timeout: float = 10.0
    drain: float = 2.0
    batch_values: int = 20_000
    memory_values: int = 100_000
    spool_bytes: int = 1 << 30
    retry_first: float = 0.5
    retry_longest: float = 15.0

    @classmethod
    def read(cls, base_url: str | None = None) -> HookSettings:
        """The settings of the environment; `base_url` wins over its address."""
        in_pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        base_url = base_url or variable("API_BASE_URL", IN_CLUSTER if in_pod else ON_THIS_MACHINE)
        return cls(
            base_url=_with_prefix(base_url),
            token=_token("LENSD_PUSH_TOKEN") or _token("LENSD_TOKEN"),
            workload=variable("WORKLOAD") or variable("WORKLOAD_UID"),
            pod_uid=variable("POD_UID"),
            pod_name=variable("POD_NAME"),
            namespace=variable("POD_NAMESPACE"),
            interval=number("WANDB_FLUSH_INTERVAL", cls.interval, 0.01),
            timeout=number("WANDB_TIMEOUT", cls.timeout, 0.1),
            drain=number("WANDB_DRAIN_SECONDS", cls.drain, 0.0),
            batch_values=int(number("WANDB_BATCH_SIZE", cls.batch_values, 1)),
            spool_bytes=int(number("WANDB_SPOOL_BYTES", cls.spool_bytes, 0)),
        )


def spool_folder(wandb_folder: str | None = None) -> str:
    """Where the spool is: `LENSD_SPOOL_DIR`, else a subfolder of wandb's own folder."""
    chosen = variable("SPOOL_DIR")
    if chosen:
        return os.path.abspath(chosen)
    if not wandb_folder:
        wandb_folder = os.path.join(os.environ.get("WANDB_DIR") or os.getcwd(), "wandb")
    return os.path.join(os.path.abspath(wandb_folder), "lensd-spool")


def _token(name: str) -> str:
    """A token of the environment, or of the file that it names; empty if there is none."""
    token = os.environ.get(name, "").strip()
    file = os.environ.get(name + "_FILE")
    if not token and file:
        try:
            with open(file) as opened:
                token = opened.read(10_000).strip()
        except (OSError, ValueError):
            return ""
    return token


def _with_prefix(url: str) -> str:
    """The URL of the API; one without a path gets that of lensd's API."""
    url = url if "://" in url else "http://" + url
    url = url.rstrip("/")
    return url if url.count("/") > 2 else url + "/api/v1"
