"""How the API behaves: limits, access, peers. Made by the configuration, read by everything in `api`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cluster:
    """Another lensd that requests with `cluster=NAME` are passed on to."""

    url: str
    token: str | None = None
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """token: wanted of every request when set. origins: web pages of other hosts that may ask (CORS).

    requests / window_s: allowed per client address for each of the two rows endpoints; 0 is no limit.
    read_seconds: what one query, or one piece of a large answer, may take. write_seconds: how long a client
    may take none of it. streams: large answers sent at a time, fewer than the store has readers.
    follow_seconds: between two looks at a log. patience_seconds: with a client that takes no lines while its
    buffer is full. grace_seconds: for large answers when the daemon stops.
    """

    token: str | None = None
    origins: tuple[str, ...] = ()
    requests: int = 60
    window_s: float = 60.0
    websockets: int = 10
    exempt_loopback: bool = False
    clusters: dict[str, Cluster] = field(default_factory=dict)
    default_cluster: str | None = None
    read_seconds: float = 30.0
    write_seconds: float = 60.0
    streams: int = 8
    follow_seconds: float = 0.2
    patience_seconds: float = 10.0
    grace_seconds: float = 0.7
    cached_tables: int = 100
    cached_bytes: int = 64 << 20
    max_body: int = 16 << 20
