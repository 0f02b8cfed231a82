"""Clients that leave, clients that take nothing, and a daemon that stops: nobody else is held up by it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType

from lensd.api import app, log_lines, logs_ws
from lensd.api.state import SENDING
from lensd.config import Limits, RateLimits
from lensd.store import Reader, Store
from tests.api.conftest import HANG_S, Client, Connect, fill, running, until
from tests.conftest import StartDaemon, an_input

pytestmark = pytest.mark.slow  # clients that wait, and large answers

DATA = "/api/v1/workloads/w/metrics/data"
LOGS = "/api/runs/w/logs/ws"
_UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Readers:
    """Counts the readers of a store that are in use."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = 0
        read = store.read

        @contextmanager
        def counted(**arguments: Any) -> Iterator[Reader]:
            with read(**arguments) as reader:
                self.open += 1
                try:
                    yield reader
                finally:
                    self.open -= 1

        monkeypatch.setattr(store, "read", counted)

    async def none(self) -> None:
        """Wait until none is."""
        await until(lambda: self.open == 0)


@pytest.fixture
def readers(store: Store, monkeypatch: pytest.MonkeyPatch) -> Readers:
    return Readers(store, monkeypatch)


@asynccontextmanager
async def idle_client(client: Client, path: str, headers: str = "") -> AsyncIterator[socket.socket]:
    """A connection that asked for a path and reads nothing of the answer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (client.host, client.port))
        await loop.sock_sendall(
            connection, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
        )
        yield connection


async def received(connection: socket.socket, last: bytes | None = None) -> bytes:
    """What comes until these bytes, or until the other side ends the connection."""
    data = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(HANG_S):
            while chunk := await asyncio.get_running_loop().sock_recv(connection, 1 << 20):
                data = data[-100:] + chunk
                if last and data.endswith(last):
                    break
    return data


async def test_a_client_that_leaves_ends_the_reading(
    connect: Connect, store: Store, readers: Readers
) -> None:
    fill(store, 200_000, "loss", "acc")
    client = await connect()
    answer = await client.get(DATA)
    await answer.content.readexactly(10_000)
    assert readers.open == 1
    answer.close()
    await readers.none()


async def test_a_client_that_takes_nothing_is_let_go(
    connect: Connect, store: Store, readers: Readers
) -> None:
    fill(store, 200_000, "loss", "acc")
    client = await connect(limits=Limits(send_seconds=0.1))
    async with idle_client(client, DATA):
        await until(lambda: readers.open == 1)
        await readers.none()


async def test_the_time_of_a_client_is_not_that_of_the_reading(
    connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 30_000, "loss")
    allowed: list[float] = []
    monkeypatch.setattr(Reader, "allow", lambda _, seconds: allowed.append(seconds))
    client = await connect(limits=Limits(query_seconds=7.0))
    body = await (await client.get(DATA)).read()
    assert allowed.count(7.0) > len(body) // (512 << 10), "every piece has its own time"


@pytest.fixture
def one_large_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application made now sends one large answer at a time."""
    monkeypatch.setattr(app, "LARGE_ANSWERS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("one_large_answer")
async def test_large_answers_wait_for_one_another_without_readers(
    connect: Connect, store: Store, readers: Readers
) -> None:
    fill(store, 200_000, "loss", "acc")
    client = await connect(limits=Limits(query_seconds=2.0))
    async with idle_client(client, DATA):
        await until(lambda: readers.open == 1)
        refused = await client.get(DATA)
        assert (refused.status, (await refused.json())["code"]) == (429, "TooManyRequests")
        assert "Retry-After" in refused.headers
        small = await client.get(f"{DATA}?start=0&end=1")
        assert small.status == 200, "small answers do not wait"
        assert readers.open == 1
    await readers.none()
    assert len((await (await client.get(DATA)).json())["data"]) == 400_000


@pytest.mark.usefixtures("one_large_answer")
async def test_answers_that_wait_are_sent_in_the_end(connect: Connect, store: Store) -> None:
    fill(store, 30_000, "loss")
    client = await connect()
    answers = await asyncio.gather(*(client.get(DATA) for _ in range(6)))
    assert [len((await answer.json())["data"]) for answer in answers] == [30_000] * 6


@pytest.fixture
def long_log(tmp_path: Path, store: Store) -> Path:
    path = tmp_path / "train.log"
    path.write_text("".join(f"line {number} {'x' * 90}\n" for number in range(80_000)))
    fill(store, 1, "loss", input=an_input(path))
    return path


TOO_SLOW = b"\x88\x0a\x03\xf5too slow"  # a close frame with status 1013


async def test_a_client_that_reads_no_lines_is_dropped_with_a_reason(
    connect: Connect, long_log: Path
) -> None:
    client = await connect(
        limits=Limits(log_send_seconds=0.2), rate_limits=RateLimits(requests=0, websockets=2)
    )
    streams = running(client)[logs_ws.OPEN]
    async with idle_client(client, f"{LOGS}?tail=all", _UPGRADE) as stuck:
        async with client.ws_connect(f"{LOGS}?tail=1") as other:
            await other.receive_str(timeout=HANG_S)
            await until(lambda: len(streams) == 1)
            with long_log.open("a") as file:
                file.write("the other goes on\n")
            assert await other.receive_str(timeout=HANG_S) == "the other goes on"
        assert (await received(stuck, TOO_SLOW)).endswith(TOO_SLOW)


async def test_the_connection_of_a_dropped_client_ends_though_it_does_not_close_it(
    connect: Connect, long_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_ws, "LINGER_S", 0.0)
    client = await connect(limits=Limits(log_send_seconds=0.05))
    streams = running(client)[logs_ws.OPEN]
    async with idle_client(client, f"{LOGS}?tail=all", _UPGRADE) as stuck:
        await until(lambda: len(streams) == 1)
        await until(lambda: not streams)
        assert await received(stuck), "what had come; then the connection ends"


@pytest.mark.slow
async def test_a_client_that_takes_its_time_gets_every_line(connect: Connect, long_log: Path) -> None:
    client = await connect()
    async with client.ws_connect(f"{LOGS}?tail=all&follow=0") as socket:
        lines = [int(message.data.split()[1]) async for message in socket]
    assert lines == list(range(80_000))


async def test_a_stream_that_fails_says_so(
    connect: Connect, long_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect()

    def failing(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(log_lines, "read_lines", failing)
    async with client.ws_connect(LOGS) as socket:
        message = await socket.receive(timeout=HANG_S)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1011)


async def test_large_answers_and_streams_do_not_outlive_the_daemon(
    connect: Connect, store: Store, long_log: Path, readers: Readers
) -> None:
    fill(store, 200_000, "loss", "acc", input=an_input(long_log))
    client = await connect(limits=Limits(log_send_seconds=1e6, send_seconds=1e6))
    served = running(client)
    async with idle_client(client, DATA), idle_client(client, f"{LOGS}?tail=all", _UPGRADE):
        await until(lambda: len(served[SENDING]) == 1 and len(served[logs_ws.OPEN]) == 1)
        async with asyncio.timeout(HANG_S):
            await served.shutdown()
        await until(lambda: not served[SENDING] and not served[logs_ws.OPEN])
        await readers.none()


@pytest.mark.slow
def test_the_daemon_ends_whoever_is_connected(
    tmp_path: Path, serve: StartDaemon, long_log: Path, store: Store
) -> None:
    fill(store, 60_000, "loss", input=an_input(long_log))
    store.close()
    (tmp_path / "empty").mkdir()
    daemon = serve("--once", "--db", store.path, str(tmp_path / "empty"))
    host, port = daemon.address.split(":")
    connections = []
    for path, headers in ((LOGS, _UPGRADE), (f"{LOGS}?tail=all", _UPGRADE), (DATA, "")):
        connection = socket.create_connection((host, int(port)))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        assert connection.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 200")
        connections.append(connection)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=HANG_S) == 0
    for connection in connections:
        connection.close()
