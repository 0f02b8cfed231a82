"""Operations: probes, the daemon's own metrics, version, the OpenAPI document."""

from __future__ import annotations

import logging
import time

import msgspec
from aiohttp import web

from lensd import __version__
from lensd.api.request_metrics import REQUESTS
from lensd.api.responses import body_answer, json_answer
from lensd.api.state import DOCUMENT, HEALTH, ROWS, SOCKETS, STARTED, STORE, ask, in_thread
from lensd.platform import resident_bytes
from lensd.query import lens
from lensd.query.results import InputInfo
from lensd.store import ReadTimeout, StoreError

log = logging.getLogger(__name__)


class HealthAnswer(msgspec.Struct):
    status: str
    reason: str | msgspec.UnsetType = msgspec.UNSET


class Version(msgspec.Struct):
    name: str
    version: str


async def healthz(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, HealthAnswer("ok"))


async def readyz(request: web.Request) -> web.StreamResponse:
    """Whether the database answers and stores, and the first look at the folders is done; 503 with the reason
    if not."""
    health = request.app[HEALTH]
    reason = health.ready() if health else None
    if reason is None:
        fault = await in_thread(request, request.app[STORE].fault)
        reason = fault and f"nothing can be stored: {fault.reason}"
    if reason is None:
        try:
            await in_thread(request, request.app[STORE].version)
        except (StoreError, ReadTimeout):
            log.exception("the database does not answer")
            reason = "the database does not answer; the daemon's log has the details"
    if reason is None:
        return await json_answer(request, HealthAnswer("ok"))
    return await json_answer(request, HealthAnswer("unavailable", reason), status=503)


async def version(request: web.Request) -> web.StreamResponse:
    return await json_answer(request, Version("lensd", __version__))


async def openapi(request: web.Request) -> web.StreamResponse:
    return await body_answer(request, request.app[DOCUMENT]())


async def own_metrics(request: web.Request) -> web.StreamResponse:
    """The daemon's metrics: OpenMetrics if the client accepts it, else the Prometheus text format."""
    inputs = await ask(request, lambda reader: lens.inputs(reader, None))
    health = request.app[HEALTH]
    unstored = await in_thread(request, health.unstored) if health else {}
    for input in inputs:
        if input.id in unstored:
            input.state, input.lag_bytes = "waiting", unstored[input.id]
    size = await in_thread(request, request.app[STORE].size_bytes)
    stats = request.app[ROWS].stats()
    page = _MetricsPage("application/openmetrics-text" in request.headers.get("Accept", ""))
    page.family("lensd_build_info", "gauge", "Version of lensd.", [({"version": __version__}, 1)])
    page.one("lensd_db_size_bytes", "gauge", "Size of the database on disk.", size)
    page.one("lensd_websocket_clients", "gauge", "Open log streams.", request.app[SOCKETS].open)
    page.one("lensd_cache_hits_total", "counter", "Row tables answered from the cache.", stats.hits)
    page.one("lensd_cache_misses_total", "counter", "Row tables read anew.", stats.misses)
    page.one(
        "lensd_cache_updates_total", "counter", "Row tables updated with new rows.", stats.incremental_updates
    )
    _request_families(page, request.app[REQUESTS].seen)
    _input_families(page, inputs)
    page.one(
        "process_cpu_seconds_total",
        "counter",
        "Processor time of the daemon.",
        time.process_time(),
    )
    page.one("process_resident_memory_bytes", "gauge", "Resident memory of the daemon.", resident_bytes())
    page.one(
        "process_start_time_seconds", "gauge", "When the daemon started, in seconds since the epoch.",
        request.app[STARTED],
    )  # fmt: skip
    kind = "application/openmetrics-text; version=1.0.0" if page.open else "text/plain; version=0.0.4"
    return web.Response(body=page.text(), headers={"Content-Type": f"{kind}; charset=utf-8"})


def _request_families(page: _MetricsPage, seen: dict[tuple[str, str, int], tuple[int, float]]) -> None:
    page.begin("lensd_http_request_duration_seconds", "summary", "Requests, and the time they took.")
    for (route, method, code), (count, seconds) in sorted(seen.items()):
        labels = {"route": route, "method": method, "code": str(code)}
        page.sample("lensd_http_request_duration_seconds_count", labels, count)
        page.sample("lensd_http_request_duration_seconds_sum", labels, seconds)


def _input_families(page: _MetricsPage, inputs: list[InputInfo]) -> None:
    def family(name: str, kind: str, help: str, field: str) -> None:
        page.family(name, kind, help, [(_labels(input), float(getattr(input, field))) for input in inputs])

    family("lensd_input_points_total", "counter", "Points stored of an input.", "points")
    family("lensd_input_records_total", "counter", "Records or lines read of an input.", "records")
    family(
        "lensd_input_unparsed_total",
        "counter",
        "Records that look like metrics and matched no format.",
        "unparsed",
    )
    family("lensd_input_skipped_total", "counter", "Corrupt records stepped over.", "skipped")
    family("lensd_input_lag_bytes", "gauge", "Bytes of an input not read yet.", "lag_bytes")
    page.family(
        "lensd_input_up", "gauge", "Whether the last read of an input went well.",
        [(_labels(input), float(input.state in ("ok", "new"))) for input in inputs],
    )  # fmt: skip
    page.family(
        "lensd_input_last_success_timestamp_seconds", "gauge", "When an input was last read well.",
        [(_labels(input), input.last_ok_ms / 1000.0) for input in inputs if input.last_ok_ms is not None],
    )  # fmt: skip


def _labels(input: InputInfo) -> dict[str, str]:
    return {
        "workload": input.workload, "data_source": input.data_source, "adapter": input.adapter,
        "input": input.id,
    }  # fmt: skip


class _MetricsPage:
    """Metric families in one of the two text formats."""

    def __init__(self, open_metrics: bool) -> None:
        self.open = open_metrics
        self._lines: list[str] = []

    def one(self, name: str, kind: str, help: str, value: float) -> None:
        self.family(name, kind, help, [({}, value)])

    def family(self, name: str, kind: str, help: str, samples: list[tuple[dict[str, str], float]]) -> None:
        family = name.removesuffix("_total") if self.open and kind == "counter" else name
        if self.open and name.endswith("_info"):
            family, kind = name.removesuffix("_info"), "info"
        self.begin(family, kind, help)
        for labels, value in samples:
            self.sample(name, labels, value)

    def begin(self, family: str, kind: str, help: str) -> None:
        self._lines.append(f"# HELP {family} {help}")
        self._lines.append(f"# TYPE {family} {kind}")

    def sample(self, name: str, labels: dict[str, str], value: float) -> None:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = repr(float(value)).removesuffix(".0")
        self._lines.append(f"{name}{{{pairs}}} {shown}" if pairs else f"{name} {shown}")

    def text(self) -> bytes:
        end = ["# EOF"] if self.open else []
        return ("\n".join(self._lines + end) + "\n").encode("utf-8", "replace")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
