"""The dashboards in deploy/grafana ask only what a daemon answers, in a form that Grafana draws."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.conftest import DATA, ROOT, StartDaemon
from tests.grafana import long_to_wide

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
#: What the variables of a dashboard may hold: one value, several as Grafana writes them, or all of them.
ONE = {"run": "hf-gpt2-1", "runs": "hf-gpt2-1", "metric": "loss", "status": "ended"}
SEVERAL = {
    "run": "hf-gpt2-1",
    "runs": "{hf-gpt2-1,torch-mlp-1}",
    "metric": "{loss,grad_norm}",
    "status": "{ended,running}",
}
ALL = {"run": "hf-gpt2-1", "runs": "all", "metric": "$__all", "status": "$__all"}


def queries(value: Any) -> Iterator[dict[str, Any]]:
    """Every Infinity query in a dashboard: of panels, variables and annotations."""
    if isinstance(value, dict):
        if "root_selector" in value:
            yield value
        for inner in value.values():
            yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


def filled(text: str, values: dict[str, str]) -> str:
    """The text with its variables; an unknown one fails."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def rows_of(answer: Any, root: str) -> list[dict[str, Any]]:
    rows = answer[root] if root else answer
    return rows if isinstance(rows, list) else [rows]


@pytest.mark.slow
def test_a_live_daemon_answers_every_query(serve: StartDaemon, tmp_path: Path) -> None:
    database = str(tmp_path / "x.db")
    ingest = [sys.executable, "-m", "lensd", "ingest", str(DATA / "runs"), "--db", database]
    subprocess.run(ingest, check=True, capture_output=True)
    (tmp_path / "runs").mkdir()
    daemon = serve(str(tmp_path / "runs"), "--db", database)
    assert len(DASHBOARDS) == 3
    asked = 0
    for file in DASHBOARDS:
        for query in queries(json.loads(file.read_text())):
            for values in (ONE, SEVERAL, ALL):
                values = values | {"__from": "0", "__to": "2000000000000"}
                options = {
                    p["key"]: filled(p["value"], values) for p in query["url_options"].get("params", [])
                }
                path = quote(filled(query["url"], values)) + (f"?{urlencode(options)}" if options else "")
                rows = rows_of(daemon.get(path), query["root_selector"])
                asked += 1
                assert rows, path
                columns = {column["selector"] for column in query["columns"]}
                several = len(values["runs"].split(",")) > 1 or values["runs"] == "all"
                missing = columns - {key for row in rows for key in row}
                assert missing <= (set() if several else {"workload_uid"}), path
                if query["format"] == "timeseries":
                    factors = [c["selector"] for c in query["columns"] if c["type"] == "string"]
                    texts = [row | {name: row.get(name) for name in factors} for row in rows]
                    assert len(long_to_wide(texts, "timestamp", factors, "value")) > 1, path
    assert asked == 3 * 12


def test_the_data_source_is_the_one_that_the_dashboards_name() -> None:
    text = (ROOT / "deploy" / "grafana" / "datasource.yaml").read_text()
    for file in DASHBOARDS:
        for query in queries(json.loads(file.read_text())):
            assert f"uid: {query['datasource']['uid']}\n" in text
            assert f"type: {query['datasource']['type']}\n" in text


def test_the_recipe_names_files_that_are_there() -> None:
    recipe = (ROOT / "docs" / "grafana.md").read_text()
    for name in re.findall(r"deploy/grafana[\w./-]*", recipe):
        assert (ROOT / name.rstrip(".")).exists(), name
