"""The configuration: a TOML file, `LENSD_*` in the environment, then flags, each over the one before.

`config.example.toml` explains every option; a test keeps the two together.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from lensd.api.settings import Cluster, Settings
from lensd.ingest.poller import Pace

LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """The configuration cannot be used; the message is one sentence that names the place."""


class RateLimits(msgspec.Struct, forbid_unknown_fields=True):
    requests: int = 60
    window_seconds: float = 60.0
    websockets: int = 10
    exempt_loopback: bool = False


class Polling(msgspec.Struct, forbid_unknown_fields=True):
    fastest_seconds: float = 0.2
    slowest_seconds: float = 5.0
    rescan_seconds: float = 2.0
    read_bytes: int = 16 << 20
    read_points: int = 2 << 20
    read_seconds: float = 0.25
    threads: int = 2


class ClusterConfig(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    token: str | None = None
    timeout: float = 10.0


class SourceConfig(msgspec.Struct, forbid_unknown_fields=True):
    adapter: str
    paths: list[str] = msgspec.field(default_factory=list)
    workload: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class LogConfig(msgspec.Struct, forbid_unknown_fields=True):
    ranks: Literal["lowest", "every"] = "lowest"


class Config(msgspec.Struct, forbid_unknown_fields=True):
    paths: list[str] = msgspec.field(default_factory=list)
    host: str = "127.0.0.1"
    port: list[int] | int = 8080
    db: str | None = None
    workload: str | None = None
    token: str | None = None
    origins: list[str] = msgspec.field(default_factory=list)
    timezone: str = "UTC"
    log_level: str = "info"
    default_cluster: str | None = None
    drain_seconds: float = 5.0
    rate_limits: RateLimits = msgspec.field(default_factory=RateLimits)
    polling: Polling = msgspec.field(default_factory=Polling)
    clusters: dict[str, ClusterConfig] = msgspec.field(default_factory=dict)
    source: list[SourceConfig] = msgspec.field(default_factory=list)
    log: LogConfig = msgspec.field(default_factory=LogConfig)
    pattern: list[dict[str, Any]] = msgspec.field(default_factory=list)  # the log adapter says what is in it

    @property
    def ports(self) -> list[int]:
        return [self.port] if isinstance(self.port, int) else self.port

    def database(self) -> str:
        """The database: the one named, else one for this set of roots in the user's data folder."""
        if self.db:
            return self.db
        home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        roots = sorted(os.path.realpath(p) for p in [*self.paths, *(p for s in self.source for p in s.paths)])
        digest = hashlib.blake2s("\0".join(roots).encode("utf-8", "surrogateescape"), digest_size=4)
        name = re.sub(r"[^\w.-]", "_", os.path.basename(roots[0])) if roots else "empty"
        return str(Path(home) / "lensd" / f"{name}-{digest.hexdigest()}.db")

    def options(self, adapter: str) -> dict[str, object]:
        """What this configuration says to an adapter wherever it is used."""
        if adapter != "log":
            return {}
        given: dict[str, object] = {
            "timezone": self.timezone,
            "ranks": self.log.ranks,
            "patterns": self.pattern,
        }
        plain: dict[str, object] = {"timezone": "UTC", "ranks": "lowest", "patterns": []}
        return {name: value for name, value in given.items() if value != plain[name]}

    def pace(self) -> Pace:
        given = self.polling
        return Pace(
            fastest=given.fastest_seconds,
            slowest=given.slowest_seconds,
            rescan=given.rescan_seconds,
            bytes=given.read_bytes,
            points=given.read_points,
            seconds=given.read_seconds,
            threads=given.threads,
        )

    def settings(self) -> Settings:
        limits = self.rate_limits
        return Settings(
            token=self.token or None,
            origins=tuple(self.origins),
            requests=limits.requests,
            window_s=limits.window_seconds,
            websockets=limits.websockets,
            exempt_loopback=limits.exempt_loopback,
            clusters={
                name: Cluster(each.url.rstrip("/"), each.token, each.timeout)
                for name, each in self.clusters.items()
            },
            default_cluster=self.default_cluster,
        )


def load(path: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Put the configuration together. flags: None and empty values count as not given. Raises ConfigError."""
    values: dict[str, Any] = _read_file(path) if path else {}
    values |= _from_environment(environment)
    values |= {name: value for name, value in flags.items() if value not in (None, (), [])}
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_sentence(path, str(error))) from error
    _check(config, path)
    return config


def _read_file(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`LENSD_PORT=8081`, `LENSD_ORIGINS=a,b`; `WORKLOAD_UID` is what pods are given."""
    found: dict[str, Any] = {}
    if environment.get("WORKLOAD_UID"):
        found["workload"] = environment["WORKLOAD_UID"]
    simple: dict[str, Callable[[str], Any]] = {
        "paths": lambda v: [p for p in v.split(os.pathsep) if p],
        "port": lambda v: [int(p) for p in v.split(",")],
        "origins": lambda v: [o.strip() for o in v.split(",") if o.strip()],
        "drain_seconds": float,
        **dict.fromkeys(("host", "db", "workload", "token", "timezone", "log_level", "default_cluster"), str),
    }
    for name, parse in simple.items():
        text = environment.get(f"LENSD_{name.upper()}")
        if text:
            try:
                found[name] = parse(text)
            except ValueError as error:
                raise ConfigError(f"LENSD_{name.upper()}={text}: {error}") from error
    return found


def _sentence(path: str | None, text: str) -> str:
    where = path or "the configuration"
    unknown = re.search(r"unknown field `(\w+)`(?: - at `\$\.?(.*)`)?", text)
    if unknown is None:
        return f"{where}: {text.replace('`$.', '`')}"
    section = re.sub(r"\[.*?\]", "", unknown[2] or "")
    near = difflib.get_close_matches(unknown[1], _known(section), 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_known(section))}"
    place = f" in [{section}]" if section else ""
    return f"{where}: unknown option {unknown[1]!r}{place}{hint}"


def _known(section: str) -> Sequence[str]:
    structs: dict[str, type[msgspec.Struct]] = {
        "": Config, "rate_limits": RateLimits, "polling": Polling, "clusters": ClusterConfig,
        "source": SourceConfig, "log": LogConfig,
    }  # fmt: skip
    return structs.get(section.split(".")[0], Config).__struct_fields__


def _check(config: Config, path: str | None) -> None:
    where = path or "the configuration"
    for block in config.source:
        if (
            not block.paths and not block.options
        ):  # an adapter that reads no files says in options what it reads
            raise ConfigError(f"{where}: source of adapter {block.adapter!r}: missing required field `paths`")
    for port in config.ports:
        if not 0 <= port <= 65535:
            raise ConfigError(f"port {port} is not between 0 and 65535")
    if config.log_level not in LOG_LEVELS:
        raise ConfigError(f"{where}: log_level {config.log_level!r} is none of {', '.join(LOG_LEVELS)}")
    if config.default_cluster and config.default_cluster not in config.clusters:
        raise ConfigError(f"{where}: default_cluster {config.default_cluster!r} has no [clusters] entry")
    polling = config.polling
    if not 0 < polling.fastest_seconds <= polling.slowest_seconds:
        raise ConfigError(f"{where}: polling wants 0 < fastest_seconds <= slowest_seconds")
    if min(polling.read_bytes, polling.read_points, polling.threads) < 1:
        raise ConfigError(f"{where}: polling wants read_bytes, read_points and threads of at least 1")
