"""`make screenshots`: the pictures of the page in `docs/images`, from the sample runs and one made here.

Needs chromium on PATH, playwright and Pillow (`make test` installs both).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from eventful import write_run
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
#: The view, as the address of the page holds it.
SHOWN = "#r=exp-7,torch-mlp-1&d=exp-7"


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
