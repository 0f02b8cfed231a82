"""Lines of a log by number, step and time, search in it, and what its input says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lensd.config import Config
from lensd.ingest.poller import AdapterSource, Poller
from lensd.ingest.registry import load
from lensd.ingest.sources import make
from lensd.model import Batch, LogLine, Points, Series
from lensd.query import log_search
from lensd.store import Store
from tests.api.conftest import START, Client, Connect
from tests.conftest import an_input

LINES = "/api/v1/workloads/w/logs/lines"
SEARCH = "/api/v1/workloads/w/logs/search"
STEPS = 3000


def line(step: int) -> str:
    at = f"2026-01-05 10:{step // 60 % 60:02}:{step % 60:02}"
    return f"{at} step {step} | loss: {100 / (step + 1):.6f} | lr: 1e-3\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "w" / "train.log"
    path.parent.mkdir()
    path.write_text("hello\n" + "".join(line(step) for step in range(STEPS)))
    return path


@pytest.fixture
def poller(store: Store, log: Path) -> Iterator[Poller]:
    adapter = make(load(), "log", Config())
    assert adapter
    poller = Poller(store, [AdapterSource(adapter, [str(log.parent.parent)])], wall=lambda: START / 1000)
    poller.drain(final=True)
    yield poller
    poller.stop()


Ask = Callable[[str], Any]


async def answer(client: Client, path: str) -> Any:
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.json()


async def test_lines_are_counted_from_one_and_the_last_come_first(connect: Connect, poller: Poller) -> None:
    client = await connect()
    page = await answer(client, f"{LINES}?count=2")
    assert page["last"] == STEPS + 1
    assert [one["n"] for one in page["lines"]] == [STEPS, STEPS + 1]
    assert page["lines"][-1]["text"] == line(STEPS - 1).rstrip()
    page = await answer(client, f"{LINES}?from=1&count=3")
    assert [one["text"].split()[0] for one in page["lines"]] == ["hello", "2026-01-05", "2026-01-05"]
    assert (await answer(client, f"{LINES}?from={STEPS + 2}"))["lines"] == []


async def test_each_line_says_its_step(connect: Connect, poller: Poller) -> None:
    page = await answer(await connect(), f"{LINES}?from=1000&count=600")
    assert [one["step"] for one in page["lines"]] == list(range(998, 1598))
    assert page["lines"][1]["ts_ms"] - page["lines"][0]["ts_ms"] == 1000


@pytest.mark.parametrize("step", [0, 777, 1500, STEPS - 1])
async def test_the_line_of_a_step_is_found(connect: Connect, poller: Poller, step: int) -> None:
    page = await answer(await connect(), f"{LINES}?at_step={step}&count=5")
    (lines_found,) = [one for one in page["lines"] if one["n"] == page["at"]]
    assert lines_found["text"] == line(step).rstrip()
    ms = lines_found["ts_ms"]
    assert (await answer(await connect(), f"{LINES}?at_time={ms}&count=5"))["at"] is not None


async def test_a_step_that_was_trained_again_is_found_where_it_was_last(
    connect: Connect, log: Path, poller: Poller
) -> None:
    with log.open("a") as file:
        file.writelines(line(step).replace("loss: ", "loss: 7") for step in range(2000, 2600))
    poller.drain(final=True)
    client = await connect()
    again = await answer(client, f"{LINES}?at_step=2300&count=1")
    assert "loss: 7" in again["lines"][0]["text"]
    before = await answer(client, f"{LINES}?at_step=1800&count=1")
    assert before["lines"][0]["text"] == line(1800).rstrip()


async def test_a_line_that_is_being_written_is_shown_at_the_end_alone(
    connect: Connect, log: Path, poller: Poller
) -> None:
    with log.open("a") as file:
        file.write(" 10%|# | 1/10 [00:01<00:09]\r 20%|## | 2/10 [00:02<00:08]")
    client = await connect()
    assert (await answer(client, f"{LINES}?count=3"))["unfinished"].startswith(" 20%|##")
    assert (await answer(client, f"{LINES}?from=1&count=3"))["unfinished"] is None


async def test_a_text_is_found_in_any_case_page_by_page(connect: Connect, poller: Poller) -> None:
    client = await connect()
    page = await answer(client, f"{SEARCH}?q=STEP 29&limit=100")
    assert [one["n"] for one in page["lines"][:2]] == [31, 292]
    rest = await answer(client, f"{SEARCH}?q=STEP 29&limit=100&from={page['next']}")
    lines_found = [one["n"] for one in page["lines"] + rest["lines"]]
    assert rest["next"] is None
    assert lines_found == [step + 2 for step in range(STEPS) if str(step).startswith("29")]


async def test_a_regular_expression_is_looked_for(connect: Connect, poller: Poller) -> None:
    client = await connect()
    page = await answer(client, f"{SEARCH}?regex=1&q=step 1[0-3]00 .*loss")
    assert [one["n"] for one in page["lines"]] == [1002, 1102, 1202, 1302]


@pytest.mark.parametrize(
    "pattern", ["(a%2B)%2B$", "(", "(a|b)*c", r"(a)\1", "a*b*c*d*e", "(?=a)b", "a{1,99999999999}"]
)
async def test_expressions_that_may_take_for_ever_are_refused(
    connect: Connect, poller: Poller, pattern: str
) -> None:
    response = await (await connect()).get(f"{SEARCH}?regex=1&q={pattern}")
    assert response.status == 400
    assert (await response.json())["message"].startswith("q ")


async def test_a_long_search_goes_on_where_it_stopped(
    connect: Connect, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "_READ_BYTES", 5_000)
    monkeypatch.setattr("lensd.api.logs._SEARCH_SECONDS", -1.0)
    client, first, rounds = await connect(), 1, 0
    while first is not None and rounds < 1000:
        page = await answer(client, f"{SEARCH}?q=step 2999&from={first}")
        first, rounds = page["next"], rounds + 1
    assert rounds > 10
    assert [one["n"] for one in page["lines"]] == [STEPS + 1]


async def test_console_output_is_read_by_time_and_step(connect: Connect, store: Store) -> None:
    (input,) = store.register([an_input(adapter="wandb", data_source="wandb")])
    printed = [LogLine(1000.0 * number, f"Line {number}") for number in range(1, 101)]
    points = Points.of(range(1, 101), [1000.0 * step for step in range(1, 101)], [0.5] * 100)
    store.apply(input, Batch(b"1", {"loss": Series(points)}, lines=printed))
    client = await connect()
    page = await answer(client, f"{LINES}?count=1")
    assert (page["last"], page["lines"][0]["text"]) == (100, "Line 100")
    assert (await answer(client, f"{LINES}?at_time=50500&count=4"))["at"] == 50
    assert (await answer(client, f"{LINES}?at_step=70&count=4"))["at"] == 70
    assert [one["n"] for one in (await answer(client, f"{SEARCH}?q=line 9"))["lines"]] == [9, *range(90, 100)]


async def test_a_log_that_is_gone_has_no_lines(connect: Connect, log: Path, poller: Poller) -> None:
    log.unlink()
    client = await connect()
    assert await answer(client, LINES) == {
        "input": poller.tracked()[0].input.id, "last": 0, "at": None, "lines": [], "unfinished": None,
    }  # fmt: skip
    assert (await answer(client, f"{SEARCH}?q=x"))["lines"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LINES}?from=0", 400),
        (f"{LINES}?count=5001", 400),
        (f"{LINES}?at_step=x", 400),
        (f"{LINES}?at_step=1&at_time=1", 400),
        (f"{LINES}?input=other", 404),
        ("/api/v1/workloads/nobody/logs/lines", 404),
        (SEARCH, 400),
        (f"{SEARCH}?q=x&regex=2", 400),
        ("/api/v1/inputs?workload=nobody", 404),
        ("/api/v1/inputs?samples=99", 400),
    ],
)
async def test_refusals(connect: Connect, poller: Poller, path: str, status: int) -> None:
    assert (await (await connect()).get(path)).status == status


async def test_an_input_shows_the_lines_that_were_not_read(
    connect: Connect, store: Store, log: Path, poller: Poller
) -> None:
    with log.open("w") as file:
        file.writelines(line(step) for step in range(20))
        file.writelines(f"some unknown thing, wer: 0.{number}\n" for number in range(100, 130))
    poller.drain(final=True)
    client = await connect(health=poller)
    (plain,) = (await answer(client, "/api/v1/inputs?workload=w"))["inputs"]
    assert (plain["unparsed"], plain["state"], plain["unread"]) == (30, "ok", None)
    (input,) = (await answer(client, "/api/v1/inputs?workload=w&samples=5"))["inputs"]
    (kind,) = input["unread"]
    assert (kind["lines"], kind["example"]) == (30, "some unknown thing, wer: 0.100")
    assert kind["why"]
