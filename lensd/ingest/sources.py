"""What a configuration says is to be read: an adapter, its options and its paths."""

from __future__ import annotations

from lensd.adapter import Adapter
from lensd.config import Config, ConfigError
from lensd.ingest.poller import AdapterSource
from lensd.ingest.registry import OptionError, Registry, load


def sources(config: Config, registry: Registry | None = None) -> tuple[list[AdapterSource], dict[str, str]]:
    """What is to be read, and by name the adapters that are unavailable, with the reason.

    Inputs of `[[source]]` blocks come first: of two sources that find one file the first has it. Raises
    ConfigError for options that an adapter refuses.
    """
    registry = registry or load()
    found: list[AdapterSource] = []
    for block in config.source:
        made = make(registry, block.adapter, config.options(block.adapter) | block.options)
        if made is not None:
            found.append(AdapterSource(made, tuple(block.paths), block.workload or config.workload))
    if config.paths:
        for name in sorted(registry.classes):
            adapter = make(registry, name, config.options(name))
            if adapter is not None:
                found.append(AdapterSource(adapter, tuple(config.paths), config.workload))
    return found, registry.unavailable


def make(registry: Registry, name: str, options: dict[str, object]) -> Adapter | None:
    """An adapter of the registry. Raises ConfigError for options that it refuses."""
    try:
        return registry.make(name, options)
    except OptionError as error:
        raise ConfigError(str(error)) from error
