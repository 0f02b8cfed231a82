"""What a configuration says to the adapters: roots, options of their own, and options that they share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from lensd.adapter import Budget
from lensd.config import Config, ConfigError, SourceConfig
from lensd.discovery import Roots
from lensd.ingest.registry import Registry
from lensd.ingest.sources import sources
from lensd.model import Batch, Input


class Plain:
    """An adapter that takes no options."""

    name = data_source = "plain"

    def discover(self, roots: Roots) -> Iterable[Input]:
        return ()

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        raise AssertionError("no input, so nothing to read")

    def close(self) -> None:
        pass


class Zoned(Plain):
    """An adapter that asks for the time zone of the configuration."""

    name = data_source = "zoned"
    shared_options = ("timezone",)

    def __init__(self, options: dict[str, object] | None = None) -> None:
        self.options = options
        if options and "colour" in options:
            raise ValueError("there is no option 'colour'")


@pytest.fixture
def registry() -> Registry:
    return Registry({"plain": Plain, "zoned": Zoned})


def zoned(config: Config, registry: Registry) -> list[dict[str, object] | None]:
    """The options that adapters of the class Zoned were created with."""
    adapters, unavailable = sources(config, registry)
    assert not unavailable
    return [source.adapter.options for source in adapters if isinstance(source.adapter, Zoned)]


def test_any_adapter_can_ask_for_the_time_zone(tmp_path: Path, registry: Registry) -> None:
    config = Config(paths=[str(tmp_path)], timezone="Europe/Berlin", pattern=[{"regex": "x"}])
    assert zoned(config, registry) == [{"timezone": "Europe/Berlin"}]


def test_an_option_with_its_default_is_not_passed(tmp_path: Path, registry: Registry) -> None:
    assert zoned(Config(paths=[str(tmp_path)]), registry) == [None]


def test_the_options_of_a_source_override_those_of_the_configuration(
    tmp_path: Path, registry: Registry
) -> None:
    block = SourceConfig("zoned", [str(tmp_path)], options={"timezone": "Asia/Tokyo", "other": 1})
    config = Config(source=[block], timezone="Europe/Berlin")
    assert zoned(config, registry) == [{"timezone": "Asia/Tokyo", "other": 1}]


def test_a_refused_option_is_a_mistake_of_the_configuration(tmp_path: Path, registry: Registry) -> None:
    block = SourceConfig("zoned", [str(tmp_path)], options={"colour": "red"})
    with pytest.raises(ConfigError, match="adapter zoned: there is no option 'colour'"):
        sources(Config(source=[block]), registry)


def test_what_a_source_names_is_chosen_by_the_user(tmp_path: Path, registry: Registry) -> None:
    config = Config(
        paths=[str(tmp_path)], source=[SourceConfig(adapter="plain", paths=[str(tmp_path / "data")])]
    )
    adapters, _ = sources(config, registry)
    assert [(source.adapter.name, source.chosen) for source in adapters] == [
        ("plain", True),
        ("plain", False),
        ("zoned", False),
    ]
