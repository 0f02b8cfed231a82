"""Counters of answered requests: how many, and how long they took."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Requests:
    """(route, method, status) to the number of requests and their total time in seconds.

    Routes are templates (`/api/runs/{run_id}`), not paths of requests, so that their number is bounded.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str, int], tuple[int, float]] = {}

    def add(self, request: web.Request, status: int, seconds: float) -> None:
        """Count one. The time of a large answer includes that of its client."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        key = (route, request.method if request.method in _METHODS else "other", status)
        count, total = self.seen.get(key, (0, 0.0))
        self.seen[key] = (count + 1, total + seconds)


REQUESTS = web.AppKey("requests", Requests)


@web.middleware
async def measured(request: web.Request, handler: Any) -> web.StreamResponse:
    """Count every request. A WebSocket takes no time: how long it is open says nothing of the daemon."""
    is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
    began = time.perf_counter()
    status = 499  # as nginx counts it: the client disconnected before the answer
    try:
        answer: web.StreamResponse = await handler(request)
        status = answer.status
        return answer
    finally:
        request.app[REQUESTS].add(request, status, 0.0 if is_socket else time.perf_counter() - began)
