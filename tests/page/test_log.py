"""The drawer: log and curves lead to each other, search, inputs and settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import StartDaemon
from tests.page.conftest import OpenPage
from tests.page.helpers import write_log

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

STEPS, SPIKE = 12_000, 4321


@pytest.fixture
def page(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> Page:
    """The page of one run with a spike, whose log has a few lines that are no metrics."""
    folder = tmp_path / "runs" / "a"
    log = write_log(folder, range(SPIKE), lambda step: 1 + step / 1e5)
    with log.open("a") as file:
        file.write("WARNING: gradient overflow\n")
    write_log(folder, range(SPIKE, STEPS), lambda step: 50.25 if step == SPIKE else 1 + step / 1e5)
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    return open_page(daemon, "#d=a&t=log")


def test_a_click_on_a_spike_leads_to_its_line_and_back(page: Page) -> None:
    expect(page.locator(".log")).to_contain_text(f"step {STEPS - 1} ")
    page.keyboard.press(".")
    x = page.locator(".panel .u-cursor-x").first.bounding_box()
    box = page.locator(".panel .u-over").first.bounding_box()
    assert x
    assert box
    page.mouse.click(x["x"] + 0.5, box["y"] + 3)
    # A pixel of the curve holds many steps: the line is that of the point itself.
    expect(page.locator(".line.marked .text")).to_contain_text(f"step {SPIKE} | loss: 50.25")
    expect(page.locator(".line", has_text="gradient overflow")).to_be_visible()
    page.locator(".line", has_text=f"step {SPIKE - 1} ").locator(".number").click()
    expect(page.locator(".line.marked .text")).to_contain_text(f"step {SPIKE - 1} ")
    page.locator(".line", has_text=f"step {SPIKE} ").locator(".number").click()
    expect(page.locator(".panel .values").first).to_contain_text("4,321")
    assert "l=4323" in page.evaluate("location.hash")


def test_a_link_to_a_line_opens_the_log_there(page: Page, open_page: OpenPage) -> None:
    base = page.url.split("#")[0]
    page.goto("about:blank")
    page.goto(f"{base}#d=a&l=4322")
    expect(page.locator(".line.marked .text")).to_have_text("WARNING: gradient overflow")


def test_the_log_is_searched_and_only_lines_in_sight_are_in_the_document(page: Page) -> None:
    page.locator("#log-search").fill("step 77")
    expect(page.locator(".hits")).to_have_text("111")
    page.locator("#log-search").press("Enter")
    expect(page.locator(".line.marked .text")).to_contain_text("step 77 ")
    page.locator("#log-search").press("Escape")
    page.keyboard.press("n")
    expect(page.locator(".line.marked .text")).to_contain_text("step 770 ")
    page.keyboard.press("N")
    expect(page.locator(".line.marked .text")).to_contain_text("step 77 ")
    assert page.locator(".line").count() < 100
    page.get_by_role("button", name="Warnings").click()
    expect(page.locator(".line")).to_have_count(1)
    page.locator(".line .text").click()
    expect(page.locator(".line.marked .text")).to_have_text("WARNING: gradient overflow")
    expect(page.get_by_role("button", name="Warnings")).to_have_attribute("aria-pressed", "false")


def test_the_log_is_followed_until_somebody_scrolls_up(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(300))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")), "#d=a&t=log")
    expect(page.locator(".log")).to_contain_text("step 299 ")
    page.locator(".log").evaluate("log => (log.scrollTop = 0)")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".log")).to_contain_text("step 0 ")
    write_log(tmp_path / "runs" / "a", range(300, 310))
    page.wait_for_function("() => document.querySelector('.log > div').clientHeight === 310 * 17")
    expect(page.locator(".log")).to_contain_text("step 0 ")
    page.keyboard.press("F")
    expect(page.locator(".log")).to_contain_text("step 309 ")


def test_inputs_say_what_was_not_read_and_why(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "runs" / "a", range(20))
    with log.open("a") as file:
        file.writelines(f"some unknown thing, wer: 0.{number}\n" for number in range(100, 140))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"), "#d=a&t=log")
    page.get_by_role("tab", name="Inputs").click()
    expect(page.locator(".inputs b")).to_have_text("a/train.log")
    expect(page.locator(".inputs summary")).to_contain_text("some unknown thing, wer: 0.100")
    assert "t=inputs" in page.evaluate("location.hash")


def test_settings_of_runs_stand_side_by_side(
    serve: StartDaemon, open_page: OpenPage, sample_runs: str, tmp_path: Path
) -> None:
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, "#r=torch-mlp-1,hf-gpt2-1&d=torch-mlp-1&t=config")
    configs = {run["name"]: run["config"] for run in daemon.get("/api/v1/runs/table")["runs"]}
    rows = page.locator(".config tbody tr")
    expect(rows).to_have_count(len({*configs["torch-mlp-1"], *configs["hf-gpt2-1"]}))
    rate = page.locator(".config tr", has=page.get_by_role("rowheader", name="lr", exact=True)).locator("td")
    expect(rate.first).to_have_text(str(configs["torch-mlp-1"]["lr"]))


def test_events_lead_to_their_line(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> None:
    write_log(tmp_path / "runs" / "a", range(300), lambda step: 50.25 if step == 123 else 1 + step / 1e5)
    write_log(tmp_path / "runs" / "a", range(200, 400), lambda step: 2 + step / 1e5)
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"), "#d=a&t=events")
    events = page.locator(".events button")
    expect(events.filter(has_text="attempt")).to_contain_text("200")
    events.filter(has_text="spike").first.click()
    expect(page.locator(".line.marked .text")).to_contain_text("step 123 | loss: 50.25")
