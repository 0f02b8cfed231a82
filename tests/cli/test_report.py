"""`lensd report` on the sample runs, on hostile names, and within its bound."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lensd.cli import main
from lensd.report.wording import duration, greatest_is_best
from lensd.report.writer import MOST_BYTES
from tests.conftest import DATA

RUNS = DATA / "runs"


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


class Document(HTMLParser):
    """Whether every element is closed, what is asked from elsewhere, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag not in ("meta", "th"):
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag != "th":
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def write_log(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "train.log").write_text("".join(f"{line}\n" for line in lines))


def test_every_sample_run_has_a_section(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = report(str(RUNS), "-o", str(path))
    assert result.exit_code == 0, result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    page = Document(path.read_text())
    assert not page.open
    assert page.elements.count("h2") == 7
    assert page.elements.count("svg") > 20
    assert all(address.startswith("#run") for address in page.addresses), "nothing from elsewhere"
    assert "0.063121 @ 266" in page.text, "the best loss of torch-mlp-1, which one event in 600 has"
    assert "training finished" in page.text, "the last line of its log"


def test_the_formats_agree() -> None:
    run = (str(RUNS), "--workload", "hf-gpt2-1")
    data = json.loads(report(*run, "--format", "json").output)
    (one,) = data["runs"]
    assert one["run"]["status"] == "finished"
    assert one["run"]["iteration"] == one["run"]["target_iteration"] == 150
    losses = {(m["name"], m["source"]): m for m in one["metrics"]}
    loss = losses["loss", "log"]
    markdown = report(*run).output
    row = next(line for line in markdown.splitlines() if line.startswith("| loss "))
    for extreme in (loss["last"], loss["best"], loss["worst"]):
        assert f"{extreme['value']:.5g} @ {extreme['step']}" in row
    assert sum(step["seconds"] >= 0 for step in one["step_times"]) == len(one["step_times"]) > 0


def test_a_run_with_nan_says_where_it_began(tmp_path: Path) -> None:
    values = [1.0 / step for step in range(1, 50)] + [float("nan")] * 3
    write_log(tmp_path, "bad", [f"step {step} loss {value}" for step, value in enumerate(values)])
    text = report(str(tmp_path)).output
    assert "3 from 49" in text
    document = tmp_path / "report.html"
    assert report(str(tmp_path), "-o", str(document)).exit_code == 0
    assert 'class="bad" d="M' in document.read_text(), "marked in the curve"


def test_what_happened_is_named_with_the_lines_around_it(tmp_path: Path) -> None:
    lines, at_s = [], 36_000
    for step in [*range(200), *range(150, 300)]:
        at_s += 400 if step == 260 else 1
        loss = "nan" if step == 280 else f"{(9.5 if step == 120 else 1.0) + step % 7 / 100:.4f}"
        clock = f"{at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}"
        lines.append(f"2026-01-05 {clock} step {step} loss {loss}")
    write_log(tmp_path, "a", lines)
    (one,) = json.loads(report(str(tmp_path), "--format", "json").output)["runs"]
    shown = {event["kind"]: event for event in one["events"]}
    assert set(shown) == {"start", "attempt", "spike", "stall", "nan", "end"}
    assert shown["attempt"]["iteration"] == 150
    assert any(line.startswith("201 ") and "step 150 " in line for line in shown["attempt"]["lines"])
    assert any("step 120 loss 9.5" in line for line in shown["spike"]["lines"])
    assert any("step 259 " in line for line in shown["stall"]["lines"])
    assert any("step 280 loss nan" in line for line in shown["nan"]["lines"])
    text = report(str(tmp_path)).output
    assert (
        text.index("attempt 2 starts at step 150")
        < text.index("nothing for 400 s")
        < text.index("loss is NaN")
    )


def test_names_and_lines_are_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    lines = [f"step {step} loss {1 / (step + 1)}" for step in range(30)]
    write_log(tmp_path, name, [*lines, "</pre><script>alert(2)</script>\x1b[31m red \x1b]0;title\x07"])
    path = tmp_path / "report.html"
    assert report(str(tmp_path), "-o", str(path)).exit_code == 0
    page = Document(path.read_text())
    assert not {"img", "script"} & set(page.elements)
    assert name in page.text
    assert "</pre><script>alert(2)</script> red" in page.text
    assert "\x1b" not in path.read_text()
    assert r"\<img src=x onerror=alert(1)\>" in report(str(tmp_path)).output


@pytest.mark.slow
def test_a_report_of_many_runs_stays_small(tmp_path: Path) -> None:
    pairs = " ".join(f"m{index}={index}.5" for index in range(120))
    for run in range(30):
        lines = [f"step={step} loss={1 / (step + 1)} {pairs}" for step in range(25)]
        write_log(tmp_path / "runs", f"r{run}", lines)
    path = tmp_path / "report.html"
    assert report(str(tmp_path / "runs"), "-o", str(path)).exit_code == 0
    assert path.stat().st_size < MOST_BYTES
    assert len(re.findall("<h2", path.read_text())) == 30
    assert "left out to keep the file small" in path.read_text()
    assert path.read_text().count("<figcaption>loss</figcaption>") == 30, "the main metric is always drawn"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name either folders"),
        ([str(RUNS), "--db", "x.db"], "name either folders"),
        ([str(RUNS), "--workload", "nobody"], "no workload 'nobody'"),
        ([str(RUNS / "xgboost-1"), "-o", "/nowhere/at/all.html"], "cannot write /nowhere/at/all.html"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str) -> None:
    result = report(*arguments)
    assert result.exit_code in (1, 2)
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_which_value_is_best() -> None:
    assert greatest_is_best("val_acc")
    assert greatest_is_best("eval/mAP")
    assert not greatest_is_best("loss")
    assert not greatest_is_best("acc_loss")
    assert not greatest_is_best("lr")


def test_durations() -> None:
    texts = [duration(seconds) for seconds in (8.42, 750.0, 11_520.0, 190_000.0)]
    assert texts == ["8.42 s", "12 min 30 s", "3 h 12 min", "2 d 4 h"]
