"""The page: its files, and the routes that it asks. Each route is useful without the page, too."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from lensd.api import params
from lensd.api.errors import ApiError, invalid
from lensd.api.responses import etag, json_answer, without_body
from lensd.api.state import ask
from lensd.query.panels import PanelQuestion, panels
from lensd.query.run_table import run_table

#: Where the build puts the page (see `web/`).
FOLDER = Path(__file__).parents[1] / "page"

_MOST_RUNS, _MOST_METRICS = 200, 100  # in one request for panels

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; style-src 'self'"
        " 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
#: Not asked of the system, whose tables differ.
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_NOT_BUILT = (
    "lensd is running; its page was not built into this installation. The data is at /api/v1/workloads.\n"
)


async def index(request: web.Request) -> web.StreamResponse:
    """The page itself. It holds no data, so it needs no token."""
    file = FOLDER / "index.html"
    if not file.is_file():
        return web.Response(text=_NOT_BUILT, headers=_HEADERS)
    headers = {"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"}
    return web.FileResponse(file, headers=_HEADERS | headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the page, whose name changes with its content."""
    file = FOLDER / "assets" / request.match_info["name"]
    if not file.is_file():
        raise ApiError(404, "no such file of the page")
    kind = _TYPES.get(file.suffix, "application/octet-stream")
    forever = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": kind}
    return web.FileResponse(file, headers=_HEADERS | forever)


async def panel_curves(request: web.Request) -> web.StreamResponse:
    """Curves of many runs, one grid a metric."""
    question = _question(request)
    version = await ask(request, lambda reader: reader.version())
    headers = {"ETag": etag(request, version), "Cache-Control": "no-cache"}
    return without_body(request, headers) or await json_answer(
        request, await ask(request, lambda reader: panels(reader, question)), headers
    )


async def table(request: web.Request) -> web.StreamResponse:
    """The list of runs. No ETag: statuses change with time alone."""
    limit = int(params.number(request, "limit", 1, params.MAX_RUNS) or 500)
    q = request.query.get("q") or None
    runs = request.query.getall("runs", None)
    only = None if runs is None else params.names(runs)
    return await json_answer(request, await ask(request, lambda reader: run_table(reader, q, limit, only)))


def _question(request: web.Request) -> PanelQuestion:
    query = request.query
    runs, metrics = params.names(query.getall("runs", [])), params.names(query.getall("metrics", []))
    if not runs or not metrics:
        raise invalid("name runs and metrics: ?runs=exp1,exp2&metrics=loss")
    if len(runs) > _MOST_RUNS or len(metrics) > _MOST_METRICS:
        raise invalid(f"at most {_MOST_RUNS} runs and {_MOST_METRICS} metrics in one request")
    x = query.get("x") or "step"
    if x not in params.AXES:
        raise invalid(f"x is {x!r}; allowed are {', '.join(params.AXES)}")
    lo, hi = (params.number(request, name) for name in ("lo", "hi"))
    if lo is not None and hi is not None and lo > hi:
        raise invalid("lo is greater than hi")
    bins = int(params.number(request, "bins", 1, params.MAX_BINS) or 300)
    smooth = params.number(request, "smooth", 0.0, 0.9999) or 0.0
    return PanelQuestion(runs, metrics, x, lo, hi, bins, smooth)
