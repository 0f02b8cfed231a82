"""What is known of a workload, and lists that are filtered by it."""

from __future__ import annotations

import json

from lensd.model import Batch, Fact
from lensd.store import Store
from tests.api.conftest import Connect, fill
from tests.conftest import DATA, an_input


def add(store: Store, uid: str, **facts: Fact) -> None:
    (registered,) = store.register([an_input(f"/x/{uid}.wandb", workload=uid, folder=f"/x/{uid}")])
    store.apply(
        registered, Batch(b"c", facts={name.replace("__", "."): fact for name, fact in facts.items()})
    )


async def test_everything_known_of_a_workload_is_served(connect: Connect, store: Store) -> None:
    fill(store, 20, "loss", input=an_input("/x/a.wandb", workload="w", folder="/x/w"))
    (registered,) = store.register([an_input("/x/a.wandb", workload="w", folder="/x/w")])
    facts: dict[str, Fact] = {
        "name": "first", "project": "p", "tags": '["a"]', "config.lr": 0.1, "hparams.width": 64,
        "summary.best": 0.5, "command": "train.py", "python": "3.11",
    }  # fmt: skip
    store.apply(registered, Batch(b"c", facts=facts))
    client = await connect()
    answer = await client.get("/v1/workloads/w")
    assert "ETag" not in answer.headers, "the status changes with time alone"
    detail = await answer.json()
    assert (detail["uid"], detail["name"], detail["project"], detail["group"]) == ("w", "first", "p", None)
    assert (detail["iteration"], detail["tags"], detail["command"]) == (19, ["a"], "train.py")
    assert detail["config"] == {"lr": 0.1, "width": 64}
    assert (detail["summary"], detail["facts"]) == ({"best": 0.5}, {"python": "3.11"})
    (run,) = await (await client.get("/api/runs")).json()
    assert (run["alias"], run["tags"]) == ("first", ["a"])


async def test_a_workload_never_seen_has_no_detail(connect: Connect) -> None:
    answer = await (await connect()).get("/v1/workloads/nobody")
    assert (answer.status, (await answer.json())["code"]) == (404, "NotFound")


async def test_lists_are_filtered_by_what_runs_are(connect: Connect, store: Store) -> None:
    add(store, "a", config__lr=0.1, project="p", tags='["x","y"]')
    add(store, "b", config__lr=0.2, project="p")
    add(store, "c", config__lr=0.1, project="q")
    client = await connect()
    for query, uids in (
        ("where=lr=0.1", "ac"), ("where=lr=1e-1&where=project=p", "a"), ("where=tag=y", "a"),
        ("where=project=p&q=b", "b"), ("where=", "abc"), ("where=config.lr=0.3", ""),
    ):  # fmt: skip
        answer = await (await client.get(f"/v1/workloads?{query}")).json()
        assert [workload["uid"] for workload in answer["workloads"]] == list(uids), query
    refused = await client.get("/v1/workloads?where=lr")
    assert refused.status == 400
    assert "where is 'lr'; it must be NAME=VALUE" in (await refused.json())["message"]


async def test_a_push_tells_the_facts_of_its_run(connect: Connect) -> None:
    client = await connect()
    path = DATA / "primus-capture" / "a_step_30" / "001_POST_api_v1_wandb_detection.json"
    request = json.loads(path.read_text())
    assert (await client.post(request["path"], json=request["body"])).status == 200
    detail = await (await client.get("/v1/workloads/my-workload-123")).json()
    assert (detail["name"], detail["project"], detail["run_id"]) == ("probe-1", "lens-probe", "lcp9l11h")
    assert (detail["tags"], detail["config"]["lr"]) == (["a", "b"], 0.001)
