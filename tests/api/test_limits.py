"""What many, slow or greedy clients cost: connections, bodies and names are bounded, whoever sends them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lensd.api.received import BODIES
from lensd.cli.messages import OncePerMinute
from lensd.config import Limits
from tests.api.conftest import HANG_S, Client, Clock, Connect, running, until
from tests.conftest import Daemon, StartDaemon

METRICS = "/v1/wandb/metrics"
STREAM = "/files/e/p/r/file_stream"


def push(*names: str, step: int = 1, uid: str = "w", **more: Any) -> dict[str, Any]:
    entries = [{"name": name, "value": 1.0, "step": step} for name in names]
    return {"workload_uid": uid, "run_id": "r", "metrics": entries} | more


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{index}" for index in range(count)]


def limited(serve: StartDaemon, folder: Path, limits: str) -> Daemon:
    config = folder / "lensd.toml"
    config.write_text(f"[limits]\n{limits}")
    return serve(str(folder), "--db", str(folder / "x.db"), "--config", str(config))


def dial(daemon: Daemon, sent: bytes = b"") -> socket.socket:
    host, port = daemon.address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=HANG_S)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the daemon closes the connection."""
    data = b""
    try:
        while chunk := connection.recv(65_536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"], ids=len
)
@pytest.mark.slow
def test_a_connection_that_sends_no_whole_header_is_closed(
    serve: StartDaemon, tmp_path: Path, sent: bytes
) -> None:
    """Within `idle_seconds`, for which 75 were the shortest before."""
    daemon = limited(serve, tmp_path, "idle_seconds = 0.1")
    with dial(daemon, sent) as connection:
        assert rest(connection) == b""
    assert daemon.get("/healthz") == {"status": "ok"}


@pytest.mark.slow
def test_idle_connections_make_room_for_others(serve: StartDaemon, tmp_path: Path) -> None:
    daemon = limited(serve, tmp_path, "connections = 8")
    idle = [dial(daemon) for _ in range(40)]
    assert daemon.get("/healthz") == {"status": "ok"}
    for connection in idle[:32]:
        assert rest(connection) == b"", "the oldest go first"
    idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert rest(idle[-1]).startswith(b"HTTP/1.1 200 ")
    for connection in idle:
        connection.close()
    assert not [line for line in daemon.lines if "Traceback" in line]


@asynccontextmanager
async def half_sent(client: Client, path: str, length: int, sent: bytes) -> AsyncIterator[Any]:
    """A post whose body is longer than what has come of it."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\n" % path.encode())
    writer.write(b"Content-Length: %d\r\n\r\n%b" % (length, sent))
    yield reader, writer
    writer.close()


@pytest.mark.parametrize("path", [METRICS, STREAM, "/graphql", "/files/e/p/r/upload?file=output.log"])
async def test_a_body_that_does_not_come_is_given_up(connect: Connect, path: str) -> None:
    client = await connect(limits=Limits(body_seconds=0.1))
    method = b"PUT" if "upload" in path else b"POST"
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(method + b" %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{" % path.encode())
    async with asyncio.timeout(HANG_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    writer.close()
    await until(lambda: running(client)[BODIES].held == 0)


async def test_bodies_in_flight_are_bounded_together(connect: Connect) -> None:
    client = await connect(limits=Limits(bodies_bytes=2000))
    bodies = running(client)[BODIES]
    body = json.dumps(push("loss", padding="x" * 1500)).encode()
    async with half_sent(client, METRICS, len(body), body[:1000]) as (reader, writer):
        await until(lambda: bodies.held == 1000)
        refused = await client.post(METRICS, data=body)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert (await client.post(METRICS, json=push("acc"))).status == 200, "a small one finds room"
        writer.write(body[1000:])
        async with asyncio.timeout(HANG_S):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    await until(lambda: bodies.held == 0)
    assert (await client.post(METRICS, data=body)).status == 200


async def test_large_bodies_are_decoded_one_after_the_other(connect: Connect) -> None:
    client = await connect()
    body = json.dumps(push("loss", padding="x" * (2 << 20))).encode()
    answers = await asyncio.gather(*(client.post(METRICS, data=io.BytesIO(body)) for _ in range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    bodies = running(client)[BODIES]
    assert (bodies.held, bodies.large.locked()) == (0, False)


async def test_a_body_beyond_its_limit_is_refused_at_its_header(connect: Connect) -> None:
    client = await connect()
    for path, length in ((METRICS, 17 << 20), (STREAM, 65 << 20)):
        async with half_sent(client, path, length, b"") as (reader, _):
            async with asyncio.timeout(HANG_S):
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_the_names_of_a_workload_are_bounded(connect: Connect, clock: Clock) -> None:
    client = await connect(limits=Limits(names=10, new_names=8))

    async def status(*wanted: str, **more: Any) -> int:
        return int((await client.post(METRICS, json=push(*wanted, **more))).status)

    assert await status(*names("a", 9)) == 413, "more than a second allows, ever"
    assert await status(*names("a", 8)) == 200
    assert await status("b0") == 429, "in the same second"
    assert await status(*names("a", 8), step=2) == 200, "names that are known are free"
    clock.now += 1.0
    assert await status("b0", "b1", "b2") == 413
    assert await status("b0", "b1") == 200
    clock.now += 1.0
    assert await status("c0") == 413
    assert await status("c0", uid="other") == 200, "each workload has names of its own"
    listed = (await (await client.get("/v1/workloads/w/metrics/available")).json())["metrics"]
    assert len(listed) == 10


async def test_two_runs_of_a_workload_share_its_names(connect: Connect, clock: Clock) -> None:
    client = await connect(limits=Limits(names=10))
    for run in ("one", "two", "three"):
        clock.now += 1.0
        answer = await client.post(METRICS, json=push(*names("a", 9)) | {"run_id": run})
        assert answer.status == 200, await answer.text()


async def test_names_beyond_the_limit_are_dropped_from_a_stream_and_counted(connect: Connect) -> None:
    client = await connect(limits=Limits(names=3))
    row = json.dumps({"_step": 1, "_timestamp": 1.8e9, **dict.fromkeys(names("m", 5), 1.0)})
    body = {"files": {"wandb-history.jsonl": {"offset": 0, "content": [row]}}}
    answer = await client.post(STREAM, json=body)
    assert (answer.status, (await answer.json())["dropped_names"]) == (200, 2)
    listed = (await (await client.get("/v1/workloads/r/metrics/available")).json())["metrics"]
    assert [metric["name"] for metric in listed] == names("m", 3)
    skipped = [
        line for line in (await (await client.get("/metrics")).text()).splitlines() if "_skipped" in line
    ]
    assert skipped[-1].endswith(" 2")


GARBAGE = [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET \x1b[2J HTTP/1.1\r\n: x\r\n\r\n"]


@pytest.mark.slow
def test_what_is_no_request_costs_one_line_and_no_traceback(serve: StartDaemon, tmp_path: Path) -> None:
    daemon = serve(str(tmp_path), "--db", str(tmp_path / "x.db"))
    before = len(daemon.lines)
    for garbage in GARBAGE * 20:
        with dial(daemon, garbage) as connection:
            connection.shutdown(socket.SHUT_WR)
            rest(connection)
    assert daemon.get("/healthz") == {"status": "ok"}
    assert daemon.stop() == 0
    lines = [line for line in daemon.lines[before:] if "stopping" not in line]
    assert len(lines) <= len(GARBAGE), lines
    assert not [line for line in lines if "Traceback" in line or "\x1b" in line]


def test_each_kind_of_warning_passes_once_a_minute() -> None:
    clock = Clock()
    once = OncePerMinute(clock)

    def passes(name: str, message: str, *args: object, level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord(name, level, "", 0, message, args, None)
        return record.getMessage() if once.filter(record) else None

    assert passes("lensd.api.streaming", "%s: too slow", "/a") == "/a: too slow"
    assert passes("lensd.api.streaming", "%s: too slow", "/b") is None
    assert passes("lensd.api.streaming", "%s: another", "/b") == "/b: another"
    assert passes("lensd.ingest.poller", "%s: gone", "a") == passes("lensd.ingest.poller", "%s: gone", "a")
    assert passes("lensd.api.push", "pushed", level=logging.INFO) == "pushed"
    assert passes("lensd.api.push", "pushed", level=logging.INFO) == "pushed"
    clock.now += 60.0
    assert passes("lensd.api.streaming", "%s: too slow", "/c") == "/c: too slow (and 1 more like it)"
