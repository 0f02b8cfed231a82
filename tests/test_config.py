"""The configuration: every option is explained, every mistake named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from lensd.config import (
    ClusterConfig,
    Config,
    ConfigError,
    Limits,
    LogConfig,
    Polling,
    RateLimits,
    SourceConfig,
    load,
)
from lensd.ingest.sources import sources
from tests.conftest import ROOT

EXAMPLE = ROOT / "config.example.toml"


def test_the_example_loads() -> None:
    config = load(str(EXAMPLE), {}, {})
    assert config.clusters["training-a"].url == "http://lensd.training-a:8080"
    assert config.ports == [8080]


@pytest.mark.parametrize(
    ("section", "struct"),
    [
        (None, Config),
        ("rate_limits", RateLimits),
        ("limits", Limits),
        ("polling", Polling),
        ("clusters", ClusterConfig),
        ("source", SourceConfig),
        ("log", LogConfig),
    ],
)
def test_the_example_has_every_option_with_its_default(
    section: str | None, struct: type[msgspec.Struct]
) -> None:
    values = tomllib.loads(EXAMPLE.read_text())
    if section:
        values = values[section]
    if section == "clusters":
        values = values["training-a"]
    if section == "source":
        (values, *_) = tomllib.loads(EXAMPLE.read_text())[section]
    assert set(values) == set(struct.__struct_fields__)
    if section in ("rate_limits", "limits", "polling", "log"):
        assert values == msgspec.structs.asdict(struct())


def test_every_option_is_documented() -> None:
    table = (ROOT / "docs" / "configuration.md").read_text()
    for struct in (Config, RateLimits, Limits, Polling, ClusterConfig, SourceConfig, LogConfig):
        for name in struct.__struct_fields__:
            assert re.search(rf"`\W*{name}\b|\[{name}", table), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown option 'prot'; did you mean 'port'?"),
        ("[polling]\nfastest = 1", "unknown option 'fastest' in [polling]; did you mean 'fastest_seconds'?"),
        ("[clusters.a]\nurl = 'x'\ntoke = 'y'", "unknown option 'toke' in [clusters]; did you mean 'token'?"),
        ("port = 'x'", "port must be a whole number or a list, not text in quotes"),
        ("[log]\nranks = 'all'", "log.ranks must be one of 'lowest', 'every', not 'all'"),
        ("[[source]]\npaths = ['a']", "[source] lacks 'adapter'"),
        ("port = 70000", "port 70000 is not between 0 and 65535"),
        ("host = ", "is not valid TOML"),
        ("log_level = 'loud'", "log_level 'loud' is none of"),
        ("default_cluster = 'moon'", "default_cluster 'moon' has no [clusters] entry"),
        ("[polling]\nfastest_seconds = 9.0", "0 < fastest_seconds <= slowest_seconds"),
        ("[limits]\nquery_seconds = 0.0", "the seconds of [limits] must be more than 0"),
        ("[limits]\nbody_bytes = 0", "[limits] requires body_bytes, bodies_bytes and connections > 0"),
        ("[[source]]\nadapter = 'log'", "missing required field `paths`"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(str(path), {}, {})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[pattern]]\nname = 'p'", "pattern p: give either a regex or a format"),
        ("[[pattern]]\nregex = '(?P<loss>['", "pattern pattern-1: unterminated character set"),
        ("[[pattern]]\nregex = 'loss'", "pattern pattern-1: name at least one metric"),
        ("[[pattern]]\nregex = '(?P<x>(a+)+b)'", "can take forever on some lines"),
        ("[[pattern]]\nregex = '(?P<x>a)'\nmetrics = { y = 'z' }", "the regex has no group 'y'"),
        ("[[pattern]]\nformat = 'xml'", "Invalid enum value 'xml'"),
        ("[[pattern]]\nregx = 'a'", "unknown key 'regx'; did you mean 'regex'?"),
        ("[[source]]\nadapter = 'logg'\npaths = ['a']", "no adapter 'logg' is installed; these are: log, "),
        ("timezone = 'Mars/Olympus'", "timezone 'Mars/Olympus' is not known"),
    ],
)
def test_what_an_adapter_refuses_is_a_mistake_of_the_configuration(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"paths = ['{tmp_path}']\n{text}" if "paths" not in text else text)
    with pytest.raises(ConfigError) as refused:
        sources(load(str(path), {}, {}))
    assert message in str(refused.value)


def test_the_environment_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="LENSD_PORT=many"):
        load(None, {"LENSD_PORT": "many"}, {})
    assert load(None, {"LENSD_PORT": "1,2", "WORKLOAD_UID": "pod"}, {"port": [3]}).ports == [3]
