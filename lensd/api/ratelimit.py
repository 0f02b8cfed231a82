"""Limits per client address: requests in a sliding window, and open WebSockets."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable

from aiohttp import web

from lensd.api.errors import ApiError

_REMEMBERED = 10_000  # addresses; the least recently seen are forgotten first


def client(request: web.Request) -> str:
    """The peer's address from the socket. Forwarding headers are ignored: a client can send any."""
    return request.remote or "?"


def is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


class RequestWindow:
    """At most `requests` per (route, address) in any `seconds`. Refused requests do not count."""

    def __init__(
        self, requests: int, seconds: float, exempt_loopback: bool, clock: Callable[[], float]
    ) -> None:
        self.requests = requests
        self.seconds = seconds
        self._exempt = exempt_loopback
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def take(self, route: str, address: str) -> dict[str, str]:
        """Count a request. Returns the X-RateLimit headers, empty without a limit. Raises ApiError (429)."""
        if self.requests <= 0 or (self._exempt and is_loopback(address)):
            return {}
        now = self._clock()
        seen = self._seen.setdefault((route, address), deque())
        self._seen.move_to_end((route, address))
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        while seen and seen[0] <= now - self.seconds:
            seen.popleft()
        if len(seen) >= self.requests:
            wait = max(1, -int(-(seen[0] + self.seconds - now) // 1))
            raise ApiError(
                429,
                "Rate limit exceeded",
                extra={"retry_after": wait},
                headers={"Retry-After": str(wait), **self._headers(0)},
            )
        seen.append(now)
        return self._headers(self.requests - len(seen))

    def _headers(self, remaining: int) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.requests),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(self.seconds)),
        }


class Sockets:
    """Open WebSockets per address."""

    def __init__(self, most: int, exempt_loopback: bool) -> None:
        self.most = most
        self._exempt = exempt_loopback
        self._open: dict[str, int] = {}

    @property
    def open(self) -> int:
        return sum(self._open.values())

    def enter(self, address: str) -> None:
        """Count one more. Raises ApiError (429)."""
        exempt = self.most <= 0 or (self._exempt and is_loopback(address))
        if not exempt and self._open.get(address, 0) >= self.most:
            raise ApiError(
                429,
                f"Too many open log streams: {self.most} are allowed per address",
                headers={"Retry-After": "5"},
            )
        self._open[address] = self._open.get(address, 0) + 1

    def leave(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
