"""Odd values, odd logs, odd browsers: the page draws what there is and says what there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import StartDaemon
from tests.page.conftest import OpenPage
from tests.page.helpers import drawn, wait_for, write_log

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


def write_rows(folder: Path, rows: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(f"{row}\n" for row in rows))


def test_values_at_the_ends_of_what_floats_hold_are_drawn(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_rows(
        tmp_path / "runs" / "odd",
        [
            f'{{"step": {step}, "huge_loss": {-1 if step % 2 else 1}e300, "tiny_loss": {step}e-300,'
            f' "nan_loss": NaN, "equal_loss": 7{extra}}}'
            for step in range(1, 41)
            for extra in [', "one_loss": 3' if step == 5 else ""]
        ],
    )
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))
    wait_for(page, "panels.length === 5")
    panels = drawn(page)
    assert page.evaluate("window.lensd.valueAt('huge_loss', 'odd', 2)") == 1e300
    assert page.evaluate("window.lensd.valueAt('tiny_loss', 'odd', 3)") == 3e-300
    assert page.evaluate("window.lensd.valueAt('nan_loss', 'odd', 3)") is None
    assert panels["one_loss"]["series"][0] == {"run": "odd", "points": 1, "last": 3}
    low, high = panels["equal_loss"]["y"]
    assert low < 7 < high
    expect(page.locator(".panel", has_text="nan_loss").locator(".count.bad")).to_have_text("NaN 40")
    for name in ("log y", "time", "relative"):
        page.get_by_role("button", name=name).click()
        page.evaluate("window.lensd.idle()")
    assert len(drawn(page)) == 5


def test_a_range_without_points_says_so_and_how_to_leave_it(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(50))
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, "#z=1000000~2000000")
    expect(page.locator(".state")).to_contain_text("No points in this range")
    page.get_by_role("button", name="Zoom out").first.click()
    wait_for(page, "panels[0].x[1] === 49")
    expect(page.locator(".state")).to_have_count(0)


def test_long_lines_control_characters_and_markup_are_text(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "runs" / "a", range(30))
    with log.open("a") as file:
        file.write(
            "x" * ((1 << 20) - 1) + "\n\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m <b>bold</b>\n\x00\x08\n"
        )
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon, "#d=a&t=log")
    expect(page.locator(".log .c1")).to_have_text("red")
    expect(page.locator(".log")).to_contain_text("<b>bold</b>")
    assert page.locator(".log b").count() == 0


def test_a_browser_that_blocks_storage_takes_a_token(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    write_log(tmp_path / "runs" / "a", range(30))
    daemon = serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once")
    page = open_page(daemon)
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('no') } })"
    )
    page.goto("about:blank")
    page.goto(f"{daemon.base}/#token=any")
    wait_for(page, "panels.length === 1")


def test_a_run_of_hundreds_of_metrics_opens_with_the_first_of_them(
    serve: StartDaemon, open_page: OpenPage, tmp_path: Path
) -> None:
    names = ", ".join(f'"layer{number}/loss": 1' for number in range(300))
    write_rows(tmp_path / "runs" / "wide", [f'{{"step": {step}, {names}}}' for step in range(3)])
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))
    expect(page.get_by_role("button", name="+100")).to_have_count(1)
    assert len(drawn(page)) < 200
