"""`make screenshots`: the pictures of the page in `docs/images`, from the sample runs and one made here.

Needs chromium on PATH, playwright and Pillow (`make test` installs both).
"""

from __future__ import annotations

import io
import math
import random
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
STEPS, SPIKE, NAN, RESTART = 4000, 1500, 2600, 3000
#: The view, as the address of the page holds it.
SHOWN = "#r=exp-7,torch-mlp-1&d=exp-7"


def write_run(path: Path) -> None:
    """A run with a spike, a NaN, and a restart from an earlier step."""
    chance, now = random.Random(3), datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    with path.open("w") as log:
        for step in [*range(1, RESTART), *range(RESTART - 300, STEPS + 1)]:
            now += timedelta(seconds=1.7)
            loss = 0.25 + 2.4 * math.exp(-step / 700) + chance.gauss(0, 0.03)
            loss = 9.4 if step == SPIKE else math.nan if step == NAN else loss
            rate = 3e-4 * min(1.0, step / 300) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS))
            norm = abs(chance.gauss(0.6, 0.15)) * (30 if step == SPIKE else 1)
            speed = 15_400 + chance.gauss(0, 300)
            log.write(
                f"{now:%Y-%m-%d %H:%M:%S} INFO step {step}/{STEPS} | loss: {loss:.4f} | grad_norm: {norm:.3f}"
                f" | lr: {rate:.3e} | tokens/s: {speed:.0f}\n"
            )
            if step % 100 == 0:
                value = 0.3 + 2.3 * math.exp(-step / 650) + chance.gauss(0, 0.02)
                log.write(f"{now:%Y-%m-%d %H:%M:%S} INFO eval at step {step}: val_loss={value:.4f}\n")


def shoot(browser: Browser, base: str, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-US",
    )
    page = context.new_page()
    page.goto(f"{base}/{SHOWN}")
    page.evaluate("window.lensd.idle()")
    page.keyboard.press("l")
    page.evaluate("window.lensd.idle()")
    page.locator(".log").get_by_text("eval at step 4000").wait_for()
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    small.save(IMAGES / f"page-{scheme}.png", optimize=True)
    context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        shutil.copytree(ROOT / "tests" / "data" / "runs", runs)
        (runs / "exp-7").mkdir()
        write_run(runs / "exp-7" / "train.log")
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "lensd", "serve", str(runs), "--once"),
                *("--port", "0", "--db", f"{folder}/x.db"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert daemon.stdout is not None
            base = next(line.split()[-1] for line in daemon.stdout if "listening on" in line)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                for scheme in ("light", "dark"):
                    shoot(browser, base, scheme)
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
