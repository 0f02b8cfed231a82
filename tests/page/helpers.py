"""What the tests of the page share: a log to read, and what the page says it has drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page


def write_log(folder: Path, steps: range, loss: Any = lambda step: 1 / (step + 1)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "train.log"
    with log.open("a") as file:
        for step in steps:
            file.write(
                f"2026-01-05 10:{step // 60 % 60:02}:{step % 60:02} step {step} | loss: {loss(step):.6f}\n"
            )
    return log


def drawn(page: Page) -> dict[str, Any]:
    """The panels that are drawn, by metric."""
    return {panel["metric"]: panel for panel in page.evaluate("window.lensd.panels()")}


def wait_for(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => {{ const panels = window.lensd.panels(); return {condition} }}")
