"""Texts that are no training give no points, even where the user names them: a part of `make precision`."""

from pathlib import Path

import pytest

from tests.log.precision import data_sets
from tests.log.reading import read, write


@pytest.mark.parametrize("kind", data_sets.OTHERS)
def test_a_text_that_is_no_training_gives_no_points(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_sets, "ROWS", 60)
    _, make = data_sets.OTHERS[kind]
    assert read(write(tmp_path / "x.log", make().encode()), final=True).points == {}


@pytest.mark.parametrize("language", data_sets.WORDS)
def test_prose_gives_no_points(language: str, tmp_path: Path) -> None:
    prose = "\n".join(data_sets.sentence(language) for _ in range(200))
    assert read(write(tmp_path / "x.log", prose.encode()), final=True).points == {}
