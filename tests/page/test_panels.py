"""What can be done with the panels of the page, and what it says of runs and databases that have ended."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, StartDaemon
from tests.page.conftest import OpenPage
from tests.page.helpers import drawn, wait_for, write_log

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SPIKE, NAN = 12_345, 15_000


@pytest.fixture
def marked(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> Page:
    """The page of one run of 20,000 steps with a spike and a NaN."""
    values = {SPIKE: 50.25, NAN: math.nan}
    write_log(tmp_path / "runs" / "a", range(20_000), lambda step: values.get(step, 1.0))
    return open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))


def cursor_value(page: Page) -> str:
    return page.locator(".panel .values").first.inner_text()


def test_keys_lead_to_the_next_spike_and_the_next_nan(marked: Page) -> None:
    marked.keyboard.press(".")
    assert "50.25" in cursor_value(marked)
    assert marked.locator(".u-cursor-x").first.is_visible()
    marked.keyboard.press(".")
    assert "15,000" in cursor_value(marked)
    marked.keyboard.press(".")  # there is none after it
    assert "15,000" in cursor_value(marked)
    marked.keyboard.press(",")
    assert "50.25" in cursor_value(marked)


def test_a_pinned_panel_comes_first_and_stays_in_the_address(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, "#r=hf-gpt2-1")
    titles = page.locator(".panel .metric")
    last = titles.all_inner_texts()[3]
    page.locator(".panel").nth(3).hover()
    page.keyboard.press("p")
    expect(titles.first).to_have_text(last)
    other = open_page(daemon, page.evaluate("location.hash"))
    expect(other.locator(".panel .metric").first).to_have_text(last)
    expect(other.get_by_role("button", name="pinned")).to_be_visible()


def test_a_panel_is_downloaded_as_csv(marked: Page) -> None:
    marked.locator(".panel").first.hover()
    with marked.expect_download() as download:
        marked.get_by_role("button", name="Download as CSV").first.click()
    assert download.value.suggested_filename == "loss.csv"
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], row["source"]) for row in rows} == {("a", "log")}
    assert max(float(row["high"]) for row in rows) == 50.25
    assert [float(row["step"]) for row in rows] == sorted(float(row["step"]) for row in rows)


def test_where_each_step_has_its_bin_the_point_stands_at_its_step(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(5))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))
    with page.expect_download() as download:
        page.locator(".panel").first.hover()
        page.get_by_role("button", name="Download as CSV").click()
    with open(download.value.path(), newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "1", "2", "3", "4"]


def test_a_panel_is_read_as_a_table(marked: Page) -> None:
    marked.keyboard.press("t")
    table = marked.get_by_role("region", name="Values as a table: loss")
    expect(table.locator("tbody tr")).to_have_count(300)
    expect(table.locator("td", has_text="50.25")).to_have_count(1)
    marked.keyboard.press("t")
    expect(table).to_have_count(0)


def test_ctrl_and_the_wheel_zoom_at_the_cursor_and_one_turn_is_one_level(marked: Page) -> None:
    box = marked.locator(".panel .u-over").first.bounding_box()
    assert box
    marked.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    marked.keyboard.down("Control")
    marked.mouse.wheel(0, -400)
    marked.mouse.wheel(0, -400)
    marked.keyboard.up("Control")
    wait_for(marked, "panels[0].x[1] - panels[0].x[0] < 5000")
    low, high = drawn(marked)["loss"]["x"]
    assert low < 10_000 < high
    marked.keyboard.down("Shift")
    marked.mouse.wheel(0, 100)
    marked.keyboard.up("Shift")
    wait_for(marked, f"panels[0].x[0] > {low}")
    marked.keyboard.press("0")
    marked.keyboard.press("0")
    wait_for(marked, "panels[0].x[1] === 19999")


def test_a_copied_link_holds_the_runs_that_are_shown(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(30))
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{daemon.base}/#r=a"


def test_a_run_that_ended_before_its_last_step_is_said_to(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    lines = [f"2026-01-05 10:00:{step:02} step {step}/1000 | loss: {1 / step:.4f}\n" for step in range(1, 40)]
    log = folder / "train.log"
    log.write_text("".join(lines))
    os.utime(log, (1_767_600_000, 1_767_600_000))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))
    expect(page.locator(".state")).to_contain_text("a wrote its last point")
    expect(page.locator(".state")).to_contain_text("at step 39 of 1,000")


def test_a_daemon_with_another_database_is_noticed_without_a_reload(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    for run in ("a", "b", "c"):
        write_log(tmp_path / "runs" / run, range(30))
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    port = daemon.base.rsplit(":", 1)[1]
    page = open_page(daemon, "#r=a")
    daemon.stop()
    write_log(tmp_path / "others" / "z", range(30), lambda step: 7.0)
    serve(str(tmp_path / "others"), "--db", str(tmp_path / "y.db"), "--once", "--port", port)
    wait_for(page, "panels.length === 1 && panels[0].series[0].run === 'z'")
    expect(page.locator(".state")).to_contain_text("another database")
    page.get_by_role("button", name="Close").first.click()
    expect(page.locator(".state")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    scheme: str, serve: StartDaemon, open_page: OpenPage, tmp_path: Path, sample_runs: str
) -> None:
    assert AXE.is_file(), "axe-core is not installed: `make lint` installs the packages of web/"
    daemon = serve(sample_runs, "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, color_scheme=scheme)
    for key in ("l", "t", "?"):
        page.keyboard.press(key)
    expect(page.locator(".help")).to_be_visible()
    page.evaluate("window.lensd.idle()")
    page.evaluate(AXE.read_text() + "; undefined")
    faults: list[dict[str, Any]] = page.evaluate("axe.run().then((answer) => answer.violations)")
    serious = [
        f"{fault['id']}: {node['html']}"
        for fault in faults
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert serious == []
