"""Who is let in: tokens in every form, pages of other sites, browsers that may read headers."""

from __future__ import annotations

import asyncio
import base64
import socket

import pytest

from lensd.api.access import OPEN_PATHS, PROBES
from lensd.api.ratelimit import is_loopback
from lensd.config import RateLimits
from lensd.store import Store
from tests.api.conftest import HANG_S, Client, Connect, fill, running

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
        client, b"GET %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n" % (path, credentials)
    )
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"application/json" in answer


async def test_a_token_may_be_of_any_letters(connect: Connect) -> None:
    client = await connect(token="schl\u00fcssel")
    credentials = base64.b64encode("api:schl\u00fcssel".encode()).decode()
    assert (await client.get("/api/runs", headers={"Authorization": f"Basic {credentials}"})).status == 200
    answer = await raw(
        client,
        "GET /api/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer schl\u00fcssel\r\n\r\n".encode(),
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


async def test_pages_of_other_sites_change_nothing(connect: Connect) -> None:
    client = await connect(origins=["http://grafana.example"])
    push = {"workload_uid": "w", "metrics": [{"name": "a", "value": 1.0, "step": 1}]}
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await client.post("/v1/wandb/metrics", json=push, headers=cross)).status == 403
    assert (await client.get("/api/v1/live", headers=cross | {"Upgrade": "websocket"})).status == 403
    assert (await client.post("/v1/wandb/metrics", json=push, headers=cross | GRAFANA)).status == 200
    same = {"Sec-Fetch-Site": "same-origin", "Origin": str(client.make_url("")).rstrip("/")}
    assert (await client.post("/v1/wandb/metrics", json=push, headers=same)).status == 200
    assert (await client.get("/api/runs", headers=cross)).status == 200, "reading changes nothing"


REBOUND = {"Host": "evil.example:8080", "Origin": "http://evil.example:8080", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/api/runs", {}),
        ("GET", "/v1/workloads", {}),
        ("GET", "/nothing", {}),
        ("POST", "/v1/wandb/metrics", {}),
        ("POST", "/graphql", {}),
        ("GET", "/api/v1/live", {"Connection": "Upgrade", "Upgrade": "websocket"}),
    ],
)
async def test_a_name_that_leads_here_by_chance_or_malice_is_not_ours(
    connect: Connect, method: str, path: str, headers: dict[str, str]
) -> None:
    """DNS rebinding: the browser takes the page of evil.example for ours."""
    answer = await (await connect()).request(method, path, headers=REBOUND | headers)
    assert answer.status == 421
    assert "not known as 'evil.example'" in await answer.text()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LocalHost:8080", 200), ("localhost.", 200), ("127.0.0.1:8080", 200),
        ("10.1.2.3", 200), ("[::1]:8080", 200), (socket.gethostname(), 200), ("lensd.training", 200),
        ("LENSD.training:80", 200), ("", 421), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421), ("[evil", 421), ("user@localhost", 200), ("2130706433x", 421),
    ],
)  # fmt: skip
async def test_names_that_a_request_may_use(connect: Connect, host: str, status: int) -> None:
    client = await connect(hosts=["lensd.training"])
    answer = await raw(
        client, f"GET /api/runs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_probes_use_any_name_and_old_ones_none(connect: Connect) -> None:
    client = await connect()
    for path in sorted(PROBES):
        assert (await client.get(path, headers={"Host": "evil.example"})).status == 200
    assert (await raw(client, b"GET /api/runs HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")


async def test_any_name_will_do_with_a_token_or_if_all_are_allowed(connect: Connect) -> None:
    bearer = {"Authorization": "Bearer t", "Host": "lensd.example"}
    assert (await (await connect(token="t")).get("/api/runs", headers=bearer)).status == 200
    assert (await (await connect(hosts=["*"])).get("/api/runs", headers={"Host": "a.b"})).status == 200


async def test_a_proxy_may_keep_the_name_of_the_page_to_itself(connect: Connect) -> None:
    """nginx sends the address that it connects to as Host, and the browser's Origin as it is."""
    page = {"Origin": "https://lens.example"}
    refused = await (await connect()).post("/v1/workloads", headers=page)
    assert refused.status == 403
    assert (await (await connect(hosts=["lens.example"])).post("/v1/workloads", headers=page)).status == 405
    every = await connect(hosts=["*"])
    assert (await every.post("/v1/workloads", headers=page)).status == 403, "names are not pages"


async def test_every_route_but_probes_and_the_page_needs_a_token(connect: Connect) -> None:
    client = await connect(token="all", read_token="reader", push_token="pusher")
    seen = set()
    for route in running(client).router.routes():
        assert route.resource is not None
        template = route.resource.canonical
        is_open, reads = template in OPEN_PATHS, route.method in ("GET", "HEAD")
        path = template.replace("{uid:[^/]*}", "w").replace("{", "").replace("}", "")
        seen.add(template)

        async def refused(token: str, method: str = route.method, path: str = path) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await client.request(method, path, headers=headers)
            return int(answer.status) if "token" in (answer.reason or "") else 0

        wrong = 0 if is_open else 401
        assert [await refused(token) for token in ("", "wrong", "al", "all ")] == [wrong] * 3 + [0], path
        other = 0 if is_open else 403
        assert await refused("reader") == (0 if reads else other), path
        assert await refused("pusher") == (other if reads else 0), path
    assert len(seen) > 50
    assert seen >= OPEN_PATHS


async def test_a_token_for_reading_alone_lets_nobody_push(connect: Connect) -> None:
    client = await connect(read_token="r")
    bearer = {"Authorization": "Bearer r"}
    assert (await client.get("/api/runs")).status == 401
    assert (await client.get("/api/runs", headers=bearer)).status == 200
    assert (await client.post("/v1/wandb/metrics", headers=bearer)).status == 403
    assert (await client.post("/v1/wandb/metrics")).status == 401


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
