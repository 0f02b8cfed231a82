"""Every option of lensd with its type and default, and where the values come from.

Each source overrides the one before: a TOML file, `LENSD_*` environment variables, command-line flags.
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
from typing import Any, Literal, get_args, get_type_hints

import msgspec

_TOKENS = ("token", "read_token", "push_token")
LOG_LEVELS = ("debug", "info", "warning", "error")


_STRINGS = (
    "host", "db", "workload", "timezone", "log_level", "default_cluster", "tls_cert", "tls_key", "exit_with",
)  # fmt: skip


class ConfigError(Exception):
    """The configuration cannot be used. The message is one sentence that names the place."""


class RateLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Limits per client address. requests: per window, for each of the two rows endpoints; 0 is no limit."""

    requests: int = 60
    window_seconds: float = 60.0
    websockets: int = 10
    exempt_loopback: bool = False


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """What one request may cost the daemon.

    query_seconds: one query, or one part of a large answer. send_seconds, log_send_seconds: how long a client
    may accept no data of an answer or of a log stream. idle_seconds: until a connection has sent the header
    of a request. body_seconds: for a body, to which 16 KiB/s of it are added. body_bytes: a request body.
    bodies_bytes: all that are in memory together. connections: open at a time. names: of the metrics of one
    workload that pushes may add. new_names: of those, in a second. cache_bytes: row tables kept in memory.
    """

    query_seconds: float = 30.0
    send_seconds: float = 60.0
    log_send_seconds: float = 10.0
    idle_seconds: float = 20.0
    body_seconds: float = 20.0
    body_bytes: int = 16 << 20
    bodies_bytes: int = 128 << 20
    connections: int = 1000
    names: int = 100_000
    new_names: int = 10_000
    cache_bytes: int = 16 << 20


class Polling(msgspec.Struct, forbid_unknown_fields=True):
    """How often inputs are polled, and how much one read may take. rescan_seconds: at least, between two
    walks of the folders."""

    fastest_seconds: float = 0.2
    slowest_seconds: float = 5.0
    rescan_seconds: float = 2.0
    read_bytes: int = 16 << 20
    read_points: int = 2 << 20
    read_seconds: float = 0.25
    threads: int = 2


class ClusterConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Another lensd that requests with `cluster=NAME` are forwarded to. timeout: seconds."""

    url: str
    token: str | None = None
    timeout: float = 10.0


class SourceConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Inputs that discovery would not find or would assign differently. options: passed to the adapter."""

    adapter: str
    paths: list[str] = msgspec.field(default_factory=list)
    workload: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class LogConfig(msgspec.Struct, forbid_unknown_fields=True):
    """How text logs are read."""

    ranks: Literal["lowest", "every"] = "lowest"


class ApiConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The options of the HTTP API. token, read_token, push_token: with one of them set, every request needs
    one that allows it. hosts: names that requests may use for this daemon without a token. origins: web pages
    of other hosts that may send requests (CORS)."""

    token: str | None = None
    read_token: str | None = None
    push_token: str | None = None
    hosts: list[str] = msgspec.field(default_factory=list)
    origins: list[str] = msgspec.field(default_factory=list)
    default_cluster: str | None = None
    rate_limits: RateLimits = msgspec.field(default_factory=RateLimits)
    limits: Limits = msgspec.field(default_factory=Limits)
    clusters: dict[str, ClusterConfig] = msgspec.field(default_factory=dict)

    @property
    def has_token(self) -> bool:
        """Whether requests need a token."""
        return any(token is not None for token in (self.token, self.read_token, self.push_token))


class Config(ApiConfig, forbid_unknown_fields=True):
    """All options."""

    paths: list[str] = msgspec.field(default_factory=list)
    host: str = "127.0.0.1"
    port: list[int] | int = 8080
    insecure: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    db: str | None = None
    workload: str | None = None
    timezone: str = "UTC"
    log_level: str = "info"
    drain_seconds: float = 5.0
    exit_with: str | None = None
    polling: Polling = msgspec.field(default_factory=Polling)
    source: list[SourceConfig] = msgspec.field(default_factory=list)
    log: LogConfig = msgspec.field(default_factory=LogConfig)
    pattern: list[dict[str, Any]] = msgspec.field(default_factory=list)  # checked by the log adapter

    @property
    def ports(self) -> list[int]:
        return [self.port] if isinstance(self.port, int) else self.port

    def database(self) -> str:
        """The path of the database: `db`, or one file per set of roots in the user's data folder."""
        if self.db:
            return self.db
        roots = sorted(os.path.realpath(p) for p in [*self.paths, *(p for s in self.source for p in s.paths)])
        digest = hashlib.blake2s("\0".join(roots).encode("utf-8", "surrogateescape"), digest_size=4)
        name = re.sub(r"[^\w.-]", "_", os.path.basename(roots[0])) if roots else "empty"
        return str(Path(data_folder()) / f"{name}-{digest.hexdigest()}.db")

    def shared_options(self) -> dict[str, object]:
        """The options that an adapter may ask for by name (`Adapter`), where they differ from the default."""
        values = _shared(self)
        defaults = _shared(Config())
        return {name: value for name, value in values.items() if value != defaults[name]}


def data_folder(environment: Mapping[str, str] = os.environ) -> str:
    """Where databases are that nobody named, and what else lensd keeps of a user."""
    home = environment.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(home, "lensd")


def _shared(config: Config) -> dict[str, object]:
    return {"timezone": config.timezone, "ranks": config.log.ranks, "patterns": config.pattern}


def load(path: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Combine the sources of options. Flags that are None or empty count as not given. Raises ConfigError."""
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


def _boolean(text: str) -> bool:
    return text.lower() not in ("0", "false", "no")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """`LENSD_PORT=8081`, `LENSD_ORIGINS=a,b`, `LENSD_TOKEN_FILE=/run/secrets/token`, and `WORKLOAD_UID`,
    which pods have."""
    values: dict[str, Any] = {
        name: token for name in _TOKENS if (token := _token(name, environment)) is not None
    }
    if environment.get("WORKLOAD_UID"):
        values["workload"] = environment["WORKLOAD_UID"]
    parsers: dict[str, Callable[[str], Any]] = {
        "paths": lambda v: [p for p in v.split(os.pathsep) if p],
        "port": lambda v: [int(p) for p in v.split(",")],
        "drain_seconds": float,
        **dict.fromkeys(("origins", "hosts"), lambda v: [o.strip() for o in v.split(",") if o.strip()]),
        "insecure": _boolean,
        **dict.fromkeys(_STRINGS, str),
    }
    for name, parse in parsers.items():
        text = environment.get(f"LENSD_{name.upper()}")
        if text:
            try:
                values[name] = parse(text)
            except ValueError as error:
                raise ConfigError(f"LENSD_{name.upper()}={text}: this must be a number") from error
    return values


def _token(name: str, environment: Mapping[str, str]) -> str | None:
    """A token of the environment, or of the file that it names; spaces and line ends around it do not count.
    None if there is neither. Raises ConfigError for one that is blank: it would let everybody in."""
    variable, file = f"LENSD_{name.upper()}", environment.get(f"LENSD_{name.upper()}_FILE")
    token = environment.get(variable)
    if file:
        if token is not None:
            raise ConfigError(f"{variable} and {variable}_FILE are both set; set one of them")
        try:
            token = Path(file).read_text()
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"{variable}_FILE={file} cannot be read: {error}") from error
        variable = f"{variable}_FILE={file}"
    return None if token is None else _stripped(variable, token)


def _stripped(where: str, token: str) -> str:
    """A token without the spaces around it. Raises ConfigError for one that no request can carry."""
    stripped = token.strip()
    if not stripped:
        raise ConfigError(f"{where} is blank; give a token, or leave it out")
    if not stripped.isprintable():
        raise ConfigError(f"{where} has more than one line, or characters that cannot be printed")
    return stripped


def _sentence(path: str | None, text: str) -> str:
    """msgspec's message as a sentence that names the file and, for an unknown option, the closest one."""
    where = path or "the configuration"
    unknown = re.search(r"unknown field `(\w+)`(?: - at `\$\.?(.*)`)?", text)
    if unknown is None:
        return f"{where}: {_wrong_value(text)}"
    section = re.sub(r"\[.*?\]", "", unknown[2] or "")
    options = _options_of(section)
    near = difflib.get_close_matches(unknown[1], options, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the options are {', '.join(options)}"
    place = f" in [{section}]" if section else ""
    return f"{where}: unknown option {unknown[1]!r}{place}{hint}"


_KINDS = {
    "int": "a whole number", "float": "a number", "str": "text in quotes", "bool": "true or false",
    "array": "a list", "object": "a table", "null": "nothing",
}  # fmt: skip


def _wrong_value(text: str) -> str:
    """msgspec's message about a value that is missing, or not what its option takes."""
    message, _, at = text.partition(" - at `$")
    option = at.strip("`.").replace("[...]", "")
    if expected := re.fullmatch(r"Expected `(.+)`, got `(.+)`", message):
        kinds = " or ".join(_KINDS.get(kind, kind) for kind in expected[1].split(" | "))
        return f"{option} must be {kinds}, not {_KINDS.get(expected[2], expected[2])}"
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return f"[{option.partition('[')[0]}] lacks {missing[1]!r}"
    if value := re.fullmatch(r"Invalid enum value (.+)", message):
        section, _, name = option.rpartition(".")
        allowed = get_args(get_type_hints(_struct_of(section)).get(name))
        return f"{option} must be one of {', '.join(map(repr, allowed))}, not {value[1]}"
    return text.replace("`$.", "`")


def _options_of(section: str) -> Sequence[str]:
    return _struct_of(section).__struct_fields__


def _struct_of(section: str) -> type[msgspec.Struct]:
    structs: dict[str, type[msgspec.Struct]] = {
        "": Config, "rate_limits": RateLimits, "limits": Limits, "polling": Polling,
        "clusters": ClusterConfig, "source": SourceConfig, "log": LogConfig,
    }  # fmt: skip
    return structs.get(section.split(".")[0], Config)


def _check(config: Config, path: str | None) -> None:
    where = path or "the configuration"
    for name in _TOKENS:
        token = getattr(config, name)
        if token is not None:
            setattr(config, name, _stripped(f"{where}: {name}", token))
    for cluster in config.clusters.values():
        if cluster.token is not None:
            cluster.token = _stripped(f"{where}: the token of {cluster.url}", cluster.token)
    config.hosts = [name.lower().removesuffix(".") for name in config.hosts]
    if config.tls_key and not config.tls_cert:
        raise ConfigError(f"{where}: tls_key needs tls_cert")
    for block in config.source:
        # An adapter that reads no files takes what it reads from its options.
        if not block.paths and not block.options:
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
        raise ConfigError(f"{where}: [polling] requires 0 < fastest_seconds <= slowest_seconds")
    if min(polling.read_bytes, polling.read_points, polling.threads) < 1:
        raise ConfigError(f"{where}: [polling] requires read_bytes, read_points and threads of at least 1")
    limits = config.limits
    seconds = (limits.query_seconds, limits.send_seconds, limits.log_send_seconds)
    if min(*seconds, limits.idle_seconds, limits.body_seconds) <= 0:
        raise ConfigError(f"{where}: the seconds of [limits] must be more than 0")
    if min(limits.body_bytes, limits.bodies_bytes, limits.connections) < 1 or limits.cache_bytes < 0:
        raise ConfigError(
            f"{where}: [limits] requires body_bytes, bodies_bytes and connections > 0, and cache_bytes >= 0"
        )
