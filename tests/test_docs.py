"""The documentation is complete, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "bench" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"({page.name})" in index or page.name == "README.md", page.name


def test_the_layer_table_names_every_module_and_package() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    table = architecture[architecture.index("## Layers") : architecture.index("## Words")]
    for folder in (ROOT / "lensd", ROOT / "adapters"):
        for path in folder.iterdir():
            if path.suffix == ".py" and path.name != "__init__.py":
                assert f"{path.name}`" in table, path
            if (path / "__init__.py").exists():
                assert f"{path.name}/`" in table, path
