"""What the environment says to the hook. Every name has a twin that begins with `LENSD_`, which wins."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Where a pod finds the service by its documented name; elsewhere lensd is expected on this machine.
IN_CLUSTER = "http://primus-lens-telemetry-processor:8080/api/v1"
ON_THIS_MACHINE = "http://127.0.0.1:8080/api/v1"

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def given(name: str, default: str = "") -> str:
    """The value of `LENSD_NAME`, else of `PRIMUS_LENS_NAME`, else of `NAME`, stripped; empty counts as
    unset."""
    for each in ("LENSD_" + name, "PRIMUS_LENS_" + name, name):
        value = os.environ.get(each, "").strip()
        if value:
            return value
    return default


def switch(name: str, default: bool) -> bool:
    value = given(name).lower()
    return default if not value else value in ("true", "1", "yes", "on")


def number(name: str, default: float, least: float) -> float:
    try:
        value = float(given(name) or default)
    except ValueError:
        return default
    return value if value >= least else default


def debugging() -> bool:
    return switch("WANDB_DEBUG", False)


def reports() -> bool:
    """Whether this process reports at all: rank 0 does, the others when told to."""
    return is_first_rank() or switch("WANDB_ALL_RANKS", False)


def is_first_rank() -> bool:
    return next((os.environ[name] for name in _RANKS if os.environ.get(name)), "0").strip() == "0"


@dataclass(frozen=True)
class HookSettings:
    """Times in seconds, sizes in bytes or values. See docs/wandb.md for the names in the environment."""

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
        """What the environment says; `base_url` wins over it."""
        in_pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        return cls(
            base_url=_with_prefix(
                base_url or given("API_BASE_URL", IN_CLUSTER if in_pod else ON_THIS_MACHINE)
            ),
            token=os.environ.get("LENSD_TOKEN", "").strip(),
            workload=given("WORKLOAD") or given("WORKLOAD_UID"),
            pod_uid=given("POD_UID"),
            pod_name=given("POD_NAME"),
            namespace=given("POD_NAMESPACE"),
            interval=number("WANDB_FLUSH_INTERVAL", 1.0, 0.01),
            timeout=number("WANDB_TIMEOUT", 10.0, 0.1),
            drain=number("WANDB_DRAIN_SECONDS", 2.0, 0.0),
            batch_values=int(number("WANDB_BATCH_SIZE", 20_000, 1)),
            spool_bytes=int(number("WANDB_SPOOL_BYTES", 1 << 30, 0)),
        )


def spool_folder(wandb_folder: str | None = None) -> str:
    """Where what cannot be sent is kept: `LENSD_SPOOL_DIR`, else beside wandb's own runs."""
    chosen = given("SPOOL_DIR")
    if chosen:
        return os.path.abspath(chosen)
    if not wandb_folder:
        wandb_folder = os.path.join(os.environ.get("WANDB_DIR") or os.getcwd(), "wandb")
    return os.path.join(os.path.abspath(wandb_folder), "lensd-spool")


def _with_prefix(url: str) -> str:
    """A bare address means the API there."""
    url = url if "://" in url else "http://" + url
    url = url.rstrip("/")
    return url if url.count("/") > 2 else url + "/api/v1"
