"""The page in a real browser, served by a real daemon that reads real files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Route, expect

from tests.conftest import StartDaemon
from tests.page.conftest import OpenPage
from tests.page.helpers import drawn, wait_for, write_log

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

#: How many pixels of the first panel have a colour that is no grey: those of its curves.
PIXELS = """() => {
  const canvas = document.querySelector('.panel canvas');
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    const [red, green, blue, alpha] = bytes.subarray(at, at + 4);
    if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) count++;
  }
  return count;
}"""
#: Resolves after about a second of frames.
FRAMES = """() => new Promise((done) => {
  let count = 0;
  const next = () => (++count > 60 ? done() : requestAnimationFrame(next));
  next();
})"""
HOSTILE = "<img src=x onerror=alert(1)>"


def test_every_curve_of_the_newest_runs_is_there_without_a_click(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon)
    expect(page.locator(".run")).to_have_count(7)
    # The page may be open before the last input is read: the runs come one by one.
    for run in ("torch-mlp-1", "hf-gpt2-1", "keras-1"):
        wait_for(page, f"panels.some(p => p.metric === 'loss' && p.series.some(s => s.run === '{run}'))")
    assert page.evaluate(PIXELS) > 100


def test_a_spike_of_one_step_is_seen_at_any_zoom(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(20_000), lambda step: 50.25 if step == 12_345 else 1.0)
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon)
    spike = "window.lensd.valueAt('loss', 'a', 12345)"
    assert page.evaluate(spike) == 50.25
    expect(page.locator(".panel .count")).to_have_text("▲ 1")
    zoomed = open_page(daemon, "#z=12000~13000&s=0.6")
    assert drawn(zoomed)["loss"]["x"] == [12000, 13000]
    assert zoomed.evaluate(spike) == 50.25


def test_a_live_run_moves(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> None:
    write_log(tmp_path / "runs" / "a", range(50))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")))
    wait_for(page, "panels[0].x[1] === 49")
    write_log(tmp_path / "runs" / "a", range(50, 80))
    wait_for(page, "panels[0].x[1] === 79")


def test_what_comes_while_an_answer_is_on_its_way_is_drawn_too(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(50))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")))
    wait_for(page, "panels[0].x[1] === 49")
    held: list[tuple[Route, APIResponse]] = []
    page.route(re.compile("/panels"), lambda route: held.append((route, route.fetch())), times=1)
    write_log(tmp_path / "runs" / "a", range(50, 60))
    while not held:
        page.evaluate("new Promise(requestAnimationFrame)")
    with page.expect_response(lambda got: "runs/table" in got.url and got.json()["runs"][0]["step"] == 79):
        write_log(tmp_path / "runs" / "a", range(60, 80))
    route, answer = held[0]
    assert answer.json()["panels"][0]["hi"] <= 59
    route.fulfill(response=answer)
    wait_for(page, "panels[0].x[1] === 79")


def test_a_zoomed_view_stays_while_the_run_goes_on(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(50))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")))
    box = page.locator(".panel .u-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 50, steps=4)
    page.mouse.up()
    wait_for(page, "panels[0].x[0] > 5 && panels[0].x[1] < 40")
    low, high = drawn(page)["loss"]["x"]
    write_log(tmp_path / "runs" / "a", range(50, 80))
    page.locator(".run small", has_text="79").first.wait_for()
    assert drawn(page)["loss"]["x"] == [low, high]
    page.keyboard.press("0")
    wait_for(page, "panels[0].x[1] === 79")


def test_hostile_names_are_text(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / HOSTILE
    folder.mkdir(parents=True)
    rows = [f'{{"step": {step}, "{HOSTILE} loss": 0.5, "{"x" * 500} loss": 1}}\n' for step in range(20)]
    (folder / "log.jsonl").write_text("".join(rows))
    (folder / "train.log").write_text(f"{HOSTILE} \x1b[31mred\x1b[0m step 1 loss: 0.5\n" * 30)
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")))
    expect(page.locator(".run b")).to_have_text(HOSTILE)
    expect(page.locator(".panel .metric", has_text=HOSTILE)).to_have_count(1)
    assert page.locator("img").count() == 0


def test_the_address_holds_the_view(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon)
    page.get_by_label("Show xgboost-1").click()
    page.get_by_role("button", name="relative").click()
    page.locator("#search").fill("accuracy")
    page.evaluate("window.lensd.idle()")
    address = page.evaluate("location.hash")
    assert "x=relative" in address
    other = open_page(daemon, address)
    assert drawn(other).keys() >= {"accuracy"}
    assert other.get_by_label("Show xgboost-1").get_attribute("aria-pressed") == "false"
    assert other.locator("#search").input_value() == "accuracy"


def test_everything_can_be_done_by_keyboard(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    page = open_page(serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once"))
    page.keyboard.press("j")
    focused = page.locator(".run.focused b").inner_text()
    page.keyboard.press("o")
    wait_for(page, f"panels.every(panel => panel.series.every(one => one.run === '{focused}'))")
    page.keyboard.press("y")
    expect(page.get_by_role("button", name="log y")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("/")
    page.keyboard.type("loss")
    expect(page.locator("#search")).to_have_value("loss")
    page.keyboard.press("Escape")
    shown = page.locator(".drawer").is_visible()
    page.keyboard.press("l")
    expect(page.locator(".drawer")).to_be_visible(visible=not shown)


def test_the_log_of_a_run_is_shown_and_goes_on(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(30))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")), "#d=a")
    if not page.locator(".drawer").is_visible():
        page.keyboard.press("l")
    expect(page.locator(".log")).to_contain_text("step 29 | loss: 0.033333")
    write_log(tmp_path / "runs" / "a", range(30, 31))
    expect(page.locator(".log")).to_contain_text("step 30 | loss: 0.032258")


def test_a_token_is_asked_for_and_taken_from_the_address(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(30))
    daemon = serve(
        str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), env=os.environ | {"LENSD_TOKEN": "secret"}
    )
    page = open_page(daemon)
    expect(page.locator(".state")).to_contain_text("This daemon asks for a token.")
    page.locator("input[name=token]").fill("secret")
    page.get_by_role("button", name="Open").click()
    wait_for(page, "panels.length === 1")
    linked = open_page(daemon, "#token=secret")
    wait_for(linked, "panels.length === 1")
    assert "secret" not in linked.url


def test_a_daemon_that_goes_away_leaves_the_curves(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(30))
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"))
    page = open_page(daemon)
    daemon.stop()
    expect(page.locator(".state")).to_contain_text("has not answered for", timeout=15_000)
    assert drawn(page)["loss"]["series"][0]["points"] == 30


def test_a_folder_without_runs_says_what_to_do(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db")))
    expect(page.locator(".state")).to_contain_text("No runs found yet")
    write_log(tmp_path / "runs" / "a", range(30))
    wait_for(page, "panels.length === 1")


def test_finished_runs_cost_no_requests(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    page = open_page(serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once"))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(FRAMES)
    assert requests == []


def test_a_phone_gets_one_column(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, viewport={"width": 390, "height": 844}, has_touch=True)
    boxes = [panel.bounding_box() for panel in page.locator(".panel").all()[:3]]
    assert len({box["x"] for box in boxes if box}) == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_page_speaks_chinese(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    page = open_page(serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once"), locale="zh-CN")
    expect(page.locator(".runs header")).to_contain_text("运行")
    assert "loss" in drawn(page)
