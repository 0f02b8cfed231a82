"""Names that somebody chose to harm who reads them: in CSV, in a spreadsheet, in a terminal."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from lensd.api.encode import for_spreadsheets
from lensd.cli.main import main
from lensd.cli.messages import log_to_stderr, shown
from lensd.store import Store
from tests.api.conftest import Connect, fill
from tests.conftest import an_input

DATA = "/api/v1/workloads/w/metrics/data?format=csv"
ROWS = "/api/runs/w/metrics_step?format=csv"
AVAILABLE = "/api/v1/workloads/w/metrics/available?format=csv"
FORMULAS = ['=HYPERLINK("http://x","y")', "+1+1", "-loss", "@SUM(A1)", "=a,b"]
NAMES = ["a\rb", "a\x1b[31m", "a\x85b", "plain", *FORMULAS]


def cells_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("path", [DATA, ROWS])
async def test_a_name_ends_no_line_of_csv(connect: Connect, store: Store, path: str) -> None:
    fill(store, 3, *NAMES)
    text = (await (await (await connect()).get(path)).read()).decode()
    lines = cells_of(text)
    assert len({len(line) for line in lines}) == 1
    cells = {cell for line in lines for cell in line}
    assert set(NAMES) <= cells
    assert '"a\rb"' in text
    assert '"a\x1b[31m"' in text


async def test_a_spreadsheet_gets_no_formulas_and_all_numbers(connect: Connect, store: Store) -> None:
    fill(store, 3, *NAMES, begin=-1)
    client = await connect()
    for path in (DATA, ROWS, AVAILABLE):
        plain = cells_of(await (await client.get(path)).text())
        sheet = cells_of(await (await client.get(f"{path}&spreadsheet=1")).text())
        cells = [pair for lines in zip(plain, sheet, strict=True) for pair in zip(*lines, strict=True)]
        changed = {one for one, other in cells if one != other}
        assert changed == set(FORMULAS), path
        assert all(other == f"'{one}" for one, other in cells if one != other)


def test_numbers_of_a_spreadsheet_stay() -> None:
    line = b"-1,-1.5e-07,-loss,1e5,+x,,\n"
    assert b"".join(for_spreadsheets([line])) == b"-1,-1.5e-07,'-loss,1e5,'+x,,\n"


HOSTILE = "a\x1b]0;title\x07\u202eb\nnext\r\u2066"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert shown(HOSTILE) == r"a\x1b]0;title\x07\u202eb\nnext\r\u2066"
    assert shown("损失 naïve \ud800") == "损失 naïve \\ud800"


def test_commands_and_the_log_escape_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.db"
    with_store = Store.open(path)
    fill(with_store, 3, "loss", input=an_input("/x/train.log", workload=HOSTILE, name=HOSTILE))
    with_store.close()
    for command in ("runs", "sources"):
        done = CliRunner().invoke(main, [command, "--db", str(path)])
        assert done.exit_code == 0
        assert shown(HOSTILE) in done.output
        assert not set("\x1b\u202e\u2066\r\x07") & set(done.output)
    before = logging.getLogger().handlers[:]
    log_to_stderr("info")
    logging.getLogger("lensd").warning("found %s", HOSTILE)
    logging.getLogger().handlers[:] = before
    assert shown(HOSTILE) in capsys.readouterr().err
