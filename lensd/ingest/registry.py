"""Finds adapter classes: lensd's own, and those that other packages publish as entry points."""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from lensd.adapter import Adapter

GROUP = "lensd.adapters"

#: lensd's own adapters, which work in a source checkout without installation.
BUILT_IN = {
    "log": "lensd_log:LogAdapter",
    "tensorboard": "lensd_tensorboard:TensorBoardAdapter",
    "wandb": "lensd_wandb.adapter:WandbAdapter",
    "wandb_cloud": "lensd_wandb_cloud.adapter:WandbCloudAdapter",
    "wandb_spool": "lensd_wandb.spool:SpoolAdapter",
}

log = logging.getLogger(__name__)


class OptionError(Exception):
    """An adapter refuses its options. The message is one sentence."""


@dataclass(slots=True)
class Registry:
    """The adapter classes that could be loaded, and why the others could not."""

    classes: dict[str, type] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def make(self, name: str, options: dict[str, Any] | None = None) -> Adapter | None:
        """Create an adapter. Returns None if that fails, with the reason in `unavailable`.

        Raises OptionError for options that the adapter refuses.
        """
        adapter_class = self.classes.get(name)
        if adapter_class is None:
            self.unavailable.setdefault(name, "no such adapter is installed")
            return None
        try:
            adapter = adapter_class(options=options) if options else adapter_class()
        except ValueError as error:
            if options:  # a mistake in the configuration must not be ignored
                raise OptionError(f"adapter {name}: {error}") from error
            self.unavailable[name] = f"cannot be set up: {error}"
            return None
        except Exception as error:  # noqa: BLE001 - a third-party adapter affects no other
            self.unavailable[name] = f"cannot be set up: {type(error).__name__}: {error}"
            return None
        if not isinstance(adapter, Adapter):
            self.unavailable[name] = "is not an adapter: it lacks name, data_source, discover, read or close"
            return None
        return adapter


def load() -> Registry:
    """Import every installed adapter. The reason of a failed import goes into `unavailable`."""
    registry = Registry()
    published = {point.name: point for point in entry_points(group=GROUP)}
    for name, target in BUILT_IN.items():
        point = EntryPoint(name, target, GROUP)
        other = published.pop(name, point)
        if other.value != target:
            log.warning("the adapter %r of %s is ignored: lensd has one of that name", name, other.value)
        _add(registry, point)
    for name in sorted(published):
        _add(registry, published[name])
    return registry


def _add(registry: Registry, point: EntryPoint) -> None:
    try:
        try:
            registry.classes[point.name] = point.load()
        except ModuleNotFoundError:
            if BUILT_IN.get(point.name) != point.value or not _use_checkout():
                raise
            importlib.invalidate_caches()
            registry.classes[point.name] = point.load()
    except Exception as error:  # noqa: BLE001 - an import can raise anything
        registry.unavailable[point.name] = f"cannot be imported: {type(error).__name__}: {error}"


def _use_checkout() -> bool:
    """Import from `adapters/` beside the package, in a source checkout that is not installed."""
    folder = Path(__file__).resolve().parents[1] / "adapters"
    if not folder.is_dir() or str(folder) in sys.path:
        return False
    sys.path.append(str(folder))
    return True
