"""The log stream: what is sent, in which order, and to whom it is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from lensd.api.state import SOCKETS
from lensd.config import RateLimits
from lensd.model import Batch, LogLine
from lensd.store import Store
from tests.api.conftest import HANG_S, Connect, fill, running, until
from tests.conftest import an_input

LOGS = "/api/runs/w/logs/ws"


@pytest.fixture
def log(tmp_path: Path, store: Store) -> Path:
    path = tmp_path / "train.log"
    path.write_text("".join(f"line {number}\n" for number in range(1, 3001)))
    fill(store, 1, "loss", input=an_input(path))
    return path


async def received(client: Any, query: str, count: int | None = None) -> list[str]:
    """The messages until the stream closes, or so many."""
    lines: list[str] = []
    async with client.ws_connect(f"{LOGS}?{query}") as socket:
        async with asyncio.timeout(HANG_S):
            while count is None or len(lines) < count:
                message = await socket.receive()
                if message.type is not WSMsgType.TEXT:
                    break
                lines.append(message.data)
    return lines


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("", "line 2001", 1000),
        ("tail=2", "line 2999", 2),
        ("tail=all", "line 1", 3000),
        ("after=2990", "line 2991", 10),
    ],
)
async def test_the_backlog(connect: Connect, log: Path, query: str, first: str, count: int) -> None:
    lines = await received(await connect(), f"follow=0&{query}")
    assert (lines[0], lines[-1], len(lines)) == (first, "line 3000", count)


async def test_no_backlog(connect: Connect, log: Path) -> None:
    assert await received(await connect(), "follow=0&tail=0") == []


async def test_new_lines_come_whole_and_once(connect: Connect, log: Path) -> None:
    client = await connect(wall=lambda: 0.0)  # the half line never looks like all that will come
    async with client.ws_connect(f"{LOGS}?tail=1") as socket:
        assert await socket.receive_str(timeout=HANG_S) == "line 3000"
        with log.open("ab") as file:
            file.write(b"half a ")
            file.flush()
            file.write("line, caf\u00e9".encode()[:-1])
        assert await received(client, "follow=0&after=3000") == []
        with log.open("ab") as file:
            file.write("\u00e9\nnext\n".encode()[1:])
        assert await socket.receive_str(timeout=HANG_S) == "half a line, caf\u00e9"
        assert await socket.receive_str(timeout=HANG_S) == "next"


async def test_the_half_line_of_a_dead_writer_is_sent_at_the_end(connect: Connect, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"killed her")
    client = await connect(wall=lambda: log.stat().st_mtime + 5.1)
    assert await received(client, "follow=0&after=2999") == ["line 3000", "killed her"]


async def test_a_log_that_is_replaced_goes_on(connect: Connect, log: Path) -> None:
    client = await connect()
    async with client.ws_connect(f"{LOGS}?tail=1") as socket:
        assert await socket.receive_str(timeout=HANG_S) == "line 3000"
        log.write_text("new 1\nnew 2\n")
        assert await socket.receive_str(timeout=HANG_S) == "new 1"
        assert await socket.receive_str(timeout=HANG_S) == "new 2"
        with log.open("a") as file:
            file.write("new 3\n")
        assert await socket.receive_str(timeout=HANG_S) == "new 3"


async def test_redraws_bars_and_colours(connect: Connect, log: Path) -> None:
    log.write_bytes(
        b"\x1b[32mgreen\x1b[0m\n 10%|#  | 1/10 [00:01<00:09]\r 20%|## | 2/10 [00:02<00:08]\nend \xff\n"
    )
    client = await connect()
    lines = await received(client, "follow=0&tail=all")
    assert lines == ["\x1b[32mgreen\x1b[0m", " 20%|## | 2/10 [00:02<00:08]", "end \ufffd"]
    assert await received(client, "follow=0&tail=all&progress=hide&ansi=strip") == ["green", "end \ufffd"]


async def test_refusals_come_before_the_upgrade(connect: Connect, log: Path) -> None:
    client = await connect(rate_limits=RateLimits(websockets=2))
    for path, status in (
        ("/api/runs/nobody/logs/ws", 404),
        (f"{LOGS}?tail=x", 422),
        (f"{LOGS}?input=b", 404),
    ):
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(path)
        assert refused.value.status == status
    async with client.ws_connect(LOGS), client.ws_connect(LOGS):
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(LOGS)
        assert refused.value.status == 429
    sockets = running(client)[SOCKETS]
    await until(lambda: sockets.open == 0)  # those that left are noticed before their next line
    async with client.ws_connect(LOGS):
        pass


async def test_pages_of_other_sites_are_refused(connect: Connect, log: Path) -> None:
    client = await connect()
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect(LOGS, headers={"Origin": "http://evil.example"})
    assert refused.value.status == 403


async def test_a_browser_gives_its_token_in_the_address(connect: Connect, log: Path) -> None:
    client = await connect(token="t")
    with pytest.raises(WSServerHandshakeError):
        await client.ws_connect(LOGS)
    async with client.ws_connect(f"{LOGS}?token=t&tail=1") as socket:
        assert await socket.receive_str(timeout=HANG_S) == "line 3000"


async def test_a_run_without_a_log_waits_for_one(connect: Connect, store: Store, tmp_path: Path) -> None:
    fill(store, 1, "loss", input=an_input("/x/events.1", adapter="tensorboard", data_source="tensorflow"))
    client = await connect()
    assert await received(client, "follow=0") == []
    async with client.ws_connect(LOGS) as socket:
        path = tmp_path / "late.log"
        path.write_text("here at last\n")
        fill(store, 1, "loss", input=an_input(path, id="late"))
        assert await socket.receive_str(timeout=HANG_S) == "here at last"


async def test_the_end_of_the_daemon_is_announced(connect: Connect, log: Path) -> None:
    client = await connect()
    socket = await client.ws_connect(f"{LOGS}?tail=0")
    await running(client).shutdown()
    message = await socket.receive(timeout=HANG_S)
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)


async def test_console_output_that_no_file_holds(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input(adapter="wandb")])
    printed = [LogLine(1000.0 * number, f"line {number}") for number in range(1, 2501)]
    store.apply(input, Batch(b"1", lines=printed))
    client = await connect()
    assert await received(client, "follow=0&tail=all") == [line.text for line in printed]
    assert await received(client, "follow=0&tail=2") == ["line 2499", "line 2500"]
    assert await received(client, "follow=0&after=2499") == ["line 2500"]
    assert await received(client, "follow=0&tail=0") == []
    again = [LogLine(0.0, "line 2500, redrawn", number=2499), LogLine(0.0, "line 2501")]
    store.apply(input, Batch(b"2", lines=again))
    assert await received(client, "follow=0&tail=2") == ["line 2500, redrawn", "line 2501"]
    async with client.ws_connect(f"{LOGS}?tail=1") as socket:
        assert await socket.receive_str(timeout=HANG_S) == "line 2501"
        store.apply(input, Batch(b"3", lines=[LogLine(0.0, "line 2502")]))
        assert await socket.receive_str(timeout=HANG_S) == "line 2502"
