"""Who is let in: tokens in every form, pages of other sites, browsers that may read headers."""

from __future__ import annotations

import asyncio
import base64

import pytest

from lensd.api.ratelimit import is_loopback
from lensd.config import RateLimits
from lensd.store import Store
from tests.api.conftest import HANG_S, Client, Connect, fill

ROWS = "/api/runs/w/metrics_step"
DATA = "/api/v1/workloads/w/metrics/data"
GRAFANA = {"Origin": "http://grafana.example"}


async def raw(client: Client, request: bytes) -> bytes:
    """The answer to a request that a well-behaved client would not send."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request)
    async with asyncio.timeout(HANG_S):
        answer = await reader.read(65_536)
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "credentials", [b"Bearer \xff\xfe", b"Basic \xff", b"Basic /////w==", b"Bearer", b"\xff"]
)
@pytest.mark.parametrize("path", [b"/api/runs", b"/v1/workloads"])
async def test_garbage_for_a_token_is_refused_like_any_other(
    connect: Connect, path: bytes, credentials: bytes
) -> None:
    client = await connect(token="t")
    answer = await raw(
        client, b"GET %b HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n\r\n" % (path, credentials)
    )
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"application/json" in answer


async def test_a_token_may_be_of_any_letters(connect: Connect) -> None:
    client = await connect(token="schl\u00fcssel")
    credentials = base64.b64encode("api:schl\u00fcssel".encode()).decode()
    assert (await client.get("/api/runs", headers={"Authorization": f"Basic {credentials}"})).status == 200
    answer = await raw(
        client, "GET /api/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer schl\u00fcssel\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path", ["/metrics", "/openapi.json", "/api/version", "/api/health", "/nothing", ROWS]
)
async def test_nothing_but_probes_is_open(connect: Connect, path: str) -> None:
    refused = await (await connect(token="t")).get(path)
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_whole_and_streamed_answers_and_errors_may_be_read_by_named_pages(
    connect: Connect, store: Store
) -> None:
    fill(store, 60_000, "loss")
    client = await connect(origins=["http://grafana.example"], rate_limits=RateLimits(requests=1))
    seen = []
    for path in (DATA, f"{ROWS}?downsample=100", ROWS, "/api/runs/nobody", f"{DATA}?start=1"):
        answer = await client.get(path, headers=GRAFANA)
        seen.append(answer.status)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://grafana.example"
        assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]
    assert seen == [200, 200, 429, 404, 400]
    both = (await client.get(DATA, headers=GRAFANA)).headers.getall("Vary")
    assert both == ["Accept-Encoding, Origin"]


async def test_browsers_may_ask_first(connect: Connect) -> None:
    client = await connect(token="t", origins=["http://grafana.example"])
    asked = GRAFANA | {"Access-Control-Request-Method": "GET"}
    answer = await client.options(DATA, headers=asked)
    assert answer.status == 204, "a preflight carries no token"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    other = await client.options(DATA, headers=asked | {"Origin": "http://evil.example"})
    assert other.status == 401
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1", "garbage"])
async def test_posts_of_other_sites_are_refused(connect: Connect, origin: str) -> None:
    client = await connect(origins=["http://grafana.example"])
    assert (await client.post("/v1/workloads", headers={"Origin": origin})).status == 403
    assert (await client.post("/v1/workloads", headers=GRAFANA)).status == 405
    own = {"Origin": str(client.make_url("")).rstrip("/")}
    assert (await client.post("/v1/workloads", headers=own)).status == 405
    assert (await client.post("/v1/workloads")).status == 405, "what is no browser has no origin"


async def test_who_forwards_for_whom_is_not_believed(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect(rate_limits=RateLimits(requests=2))
    statuses = [
        (await client.get(ROWS, headers={"X-Forwarded-For": f"10.0.0.{number}"})).status
        for number in range(3)
    ]
    assert statuses == [200, 200, 429]


async def test_loopback_is_exempt_only_if_configured(connect: Connect, store: Store) -> None:
    fill(store, 5, "loss")
    client = await connect(rate_limits=RateLimits(requests=1, websockets=1, exempt_loopback=True))
    assert [(await client.get(ROWS)).status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("?", False)],
)  # fmt: skip
def test_loopback_has_many_names(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback
