"""Counts the requests that were answered: how many of each kind, and how long they took."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Requests:
    """(route, method, status) to how many there were and how many seconds they took together.

    Routes are templates (`/api/runs/{run_id}`), never the paths that were asked for: their number is fixed.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str, int], tuple[int, float]] = {}

    def add(self, request: web.Request, status: int, seconds: float) -> None:
        """Count one; its time includes that of the client where the answer is large."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        key = (route, request.method if request.method in _METHODS else "other", status)
        count, total = self.seen.get(key, (0, 0.0))
        self.seen[key] = (count + 1, total + seconds)


REQUESTS = web.AppKey("requests", Requests)


@web.middleware
async def measured(request: web.Request, handler: Any) -> web.StreamResponse:
    """Count every request; a log stream counts with the time it was open."""
    began = time.perf_counter()
    status = 499  # as others count it: the client was gone before the answer was
    try:
        answer: web.StreamResponse = await handler(request)
        status = answer.status
        return answer
    finally:
        request.app[REQUESTS].add(request, status, time.perf_counter() - began)
