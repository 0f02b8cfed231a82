"""The list of runs as a table: columns, order, groups, warnings."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import StartDaemon
from tests.page.conftest import OpenPage
from tests.page.helpers import wait_for, write_log

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


@pytest.fixture
def page(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> Page:
    """Twelve runs of two kinds, whose least loss falls with their number."""
    for number in range(12):
        name = f"{'adam' if number % 2 else 'sgd'}-{number}"
        write_log(tmp_path / "runs" / name, range(20), lambda step, top=20 - number: top + abs(step - 10))
    return open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"))


def test_a_column_of_ones_choice_orders_the_list_and_the_first_ten_are_drawn(
    page: Page, open_page: OpenPage
) -> None:
    page.get_by_label("Value beside each run").select_option("min:loss")
    page.get_by_label("Order").select_option("up")
    expect(page.locator(".run b").first).to_have_text("adam-11")
    expect(page.locator(".run .main small").first).to_have_text("9")
    page.get_by_role("button", name="First 10").click()
    wait_for(page, "panels[0].series.length === 10 && !panels[0].series.some(one => one.run === 'sgd-0')")
    page.keyboard.press("j")
    expect(page.locator(".run.focused b")).to_have_text("sgd-10")
    assert "c=min%3Aloss&o=up" in page.evaluate("location.hash")


def test_runs_are_grouped_by_their_names(page: Page) -> None:
    page.get_by_label("Groups").select_option("by name")
    expect(page.locator(".group")).to_have_count(2)
    expect(page.locator(".group", has_text="sgd")).to_contain_text("6")


def test_a_run_says_what_of_it_was_not_read(serve: StartDaemon, open_page: OpenPage, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "odd"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text("".join(f"some unknown thing, wer: 0.{n}\n" for n in range(100, 140)))
    page = open_page(serve(str(tmp_path / "runs"), "--db", str(tmp_path / "x.db"), "--once"), "#r=odd")
    expect(page.locator(".state")).to_contain_text("look like metrics")
    expect(page.get_by_role("img", name="Some of its inputs were not read")).to_be_visible()
