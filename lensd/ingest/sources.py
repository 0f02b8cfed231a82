"""What a configuration says is to be read: adapters with their options and paths."""

from __future__ import annotations

from collections.abc import Mapping

from lensd.adapter import Adapter
from lensd.config import Config, ConfigError
from lensd.ingest.poller import AdapterSource
from lensd.ingest.registry import OptionError, Registry, load


def sources(config: Config, registry: Registry | None = None) -> tuple[list[AdapterSource], dict[str, str]]:
    """What to read; and for each adapter that is unavailable, by its name, the reason.

    `[[source]]` blocks come first: when two sources find the same file, the first one keeps it. Raises
    ConfigError for options that an adapter refuses.
    """
    registry = registry or load()
    result: list[AdapterSource] = []
    for block in config.source:
        if block.adapter not in {*registry.classes, *registry.unavailable}:
            installed = ", ".join(sorted(registry.classes))
            raise ConfigError(f"source: no adapter {block.adapter!r} is installed; these are: {installed}")
        adapter = make(registry, block.adapter, config, block.options)
        if adapter is not None:
            workload = block.workload or config.workload
            result.append(AdapterSource(adapter, tuple(block.paths), workload, chosen=True))
    if config.paths:
        for name in sorted(registry.classes):
            adapter = make(registry, name, config)
            if adapter is not None:
                result.append(AdapterSource(adapter, tuple(config.paths), config.workload))
    return result, registry.unavailable


def make(
    registry: Registry, name: str, config: Config, options: Mapping[str, object] | None = None
) -> Adapter | None:
    """An adapter with the options it shares with the configuration, and `options` of its own; None where it
    is unavailable. Raises ConfigError for options that it refuses."""
    declared = getattr(registry.classes.get(name), "shared_options", ())
    shared = {key: value for key, value in config.shared_options().items() if key in declared}
    try:
        return registry.make(name, shared | dict(options or {}))
    except OptionError as error:
        raise ConfigError(str(error)) from error
