"""The push of Lens clients: what is taken, what is refused, and what is detected from it."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from lensd.config import Limits
from lensd.ingest.push import Busy, Ingest
from lensd.model import Batch
from lensd.store import Store, StoreError
from tests.api.conftest import Connect
from tests.conftest import an_input

CAPTURE = Path(__file__).parents[1] / "data" / "primus-capture"
CASES = sorted(path.name for path in CAPTURE.iterdir())
WHO = {"source": "wandb", "workload_uid": "w", "run_id": "r1"}


def metric(name: str, value: Any, step: Any = 1, seconds: float = 1795208609.25) -> dict[str, Any]:
    return {"name": name, "value": value, "step": step, "timestamp": seconds, "tags": {}}


def body(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return WHO | {"metrics": list(entries)} | changes


async def served(client: Any, uid: str = "w") -> dict[str, list[tuple[int, float]]]:
    answer = await (await client.get(f"/v1/workloads/{uid}/metrics/data?data_source=wandb")).json()
    series: dict[str, list[tuple[int, float]]] = {}
    for point in answer["data"]:
        series.setdefault(point["metric_name"], []).append((point["iteration"], point["value"]))
    return series


@pytest.mark.parametrize("case", CASES)
async def test_what_the_reference_client_sent_is_served_and_a_replay_changes_nothing(
    connect: Connect, case: str
) -> None:
    client = await connect()
    requests = [json.loads(path.read_text()) for path in sorted((CAPTURE / case).glob("*.json"))]
    sent: dict[str, dict[tuple[str, str, int], float]] = {}
    for request in requests:
        for entry in request["body"].get("metrics", []):
            key = (request["body"]["run_id"], entry["name"], entry["step"])
            uid = request["body"]["workload_uid"] or request["body"]["pod_name"]
            if math.isfinite(entry["value"]):
                sent.setdefault(uid, {})[key] = entry["value"]
    for repeat in range(2):
        for request in requests:
            answer = await client.post(request["path"], data=json.dumps(request["body"]))
            assert answer.status == 200, await answer.text()
            if repeat and "metrics" in request["body"]:
                answer = await answer.json()
                assert answer["duplicates"] == answer["count"]
        for uid, values in sent.items():
            series = await served(client, uid)
            runs = {run for run, _, _ in values}
            if len(runs) == 1 and any(step for _, _, step in values):
                expected: dict[str, list[tuple[int, float]]] = {}
                for (_, name, step), value in sorted(values.items(), key=lambda item: item[0][1:]):
                    expected.setdefault(name, []).append((step, value))
                shown = {name: sorted(points) for name, points in series.items()}
                assert shown == {n: p for n, p in expected.items() if n not in ("step", "run_id")}


async def test_a_client_that_never_says_a_step_is_counted_in_order_of_time(connect: Connect) -> None:
    """The reference client says step 0 of every `wandb.log` without a step."""
    client = await connect()
    posts = [json.loads(path.read_text()) for path in sorted((CAPTURE / "b_nostep_8").glob("*.json"))]
    (entries,) = (post["body"]["metrics"] for post in posts if "metrics" in post["body"])
    assert {entry["step"] for entry in entries} == {0}
    by_name: dict[str, list[float]] = {}
    for entry in entries:
        if math.isfinite(entry["value"]):
            by_name.setdefault(entry["name"], []).append(entry["value"])
    for _ in range(2):
        for post in posts:
            assert (await client.post(post["path"], data=json.dumps(post["body"]))).status == 200
        series = await served(client, "my-workload-123")
        assert len(series["loss"]) == 8
        assert series == {name: list(enumerate(map(float, values))) for name, values in by_name.items()}


async def test_what_is_posted_without_a_step_is_ordered_by_time_and_goes_on_after_a_detection(
    connect: Connect,
) -> None:
    client = await connect()
    first = body(metric("a", 2.0, 0, 20.0), metric("a", 1.0, 0, 10.0), metric("b", 5.0, 0, 20.0))
    second = body(metric("a", 3.0, 0, 30.0), metric("a", 2.0, 0, 20.0))
    for sent in (first, second, first):
        assert (await client.post("/v1/wandb/metrics", json=sent)).status == 200
        assert (await client.post("/v1/wandb/detection", json=WHO | {"evidence": {}})).status == 200
    assert await served(client) == {"a": [(0, 1.0), (1, 2.0), (2, 3.0)], "b": [(0, 5.0)]}
    assert (await client.post("/v1/wandb/metrics", json=body(metric("a", 4.0, 7, 40.0)))).status == 200
    assert (await client.post("/v1/wandb/metrics", json=body(metric("a", 9.0, 0, 50.0)))).status == 200
    assert sorted((await served(client))["a"]) == [(0, 9.0), (1, 2.0), (2, 3.0), (7, 4.0)]


async def test_the_global_step_of_a_trainer_is_the_iteration(connect: Connect) -> None:
    client = await connect()
    for count, step in enumerate((10, 20, 30)):
        row = {"train/loss": 1 / step, "train/global_step": step}
        for reported in (0, count):  # as the reference client says it, and as the hook does
            entry = {"step": reported, "timestamp": 1795208609.25 + count, "data": row}
            sent = WHO | {"logs": [entry], "workload_uid": "w" if reported == count else "unsaid"}
            assert (await client.post("/v1/wandb/logs", json=sent)).status == 200
    for uid in ("w", "unsaid"):
        assert (await served(client, uid))["train/loss"][-2:] == [(20, 1 / 20), (30, 1 / 30)]


async def test_the_seed_client_is_detected_as_primus_over_megatron(connect: Connect) -> None:
    client = await connect()
    request = json.loads(next((CAPTURE / "a_step_30").glob("001*")).read_text())
    assert (await client.post(request["path"], json=request["body"])).status == 200
    detection = await (await client.get("/api/v1/workloads/my-workload-123/framework-detection")).json()
    assert (detection["framework"], detection["confidence"], detection["status"]) == (
        "primus",
        0.8,
        "confirmed",
    )
    assert detection["sources"][0]["evidence"]["method"] == "env_vars"
    assert detection["wrapper_framework"] == "primus"


async def test_a_log_that_agrees_raises_the_confidence_and_adds_the_base(
    connect: Connect, store: Store
) -> None:
    client = await connect()
    evidence = {"environment": {"PRIMUS_CONFIG": "x"}, "wandb": {"id": "r1"}}
    assert (await client.post("/v1/wandb/detection", json=WHO | {"evidence": evidence})).status == 200
    (log,) = store.register([an_input(folder="")])
    store.apply(log, Batch(b"1", facts={"framework": "megatron"}))
    detection = await (await client.get("/v1/workloads/w/framework-detection")).json()
    assert (detection["frameworks"], detection["conflicts"]) == (["primus", "megatron"], [])
    assert (detection["wrapper_framework"], detection["base_framework"]) == ("primus", "megatron")
    assert detection["confidence"] > 0.8
    assert detection["status"] == "verified"


async def test_the_names_of_hugging_face_are_one_framework(connect: Connect, store: Store) -> None:
    client = await connect()
    evidence = {
        "wrapper_frameworks": {"transformers_trainer": {"detected": True}},
        "base_frameworks": {"transformers": {"detected": True}},
    }
    assert (await client.post("/v1/wandb/detection", json=WHO | {"evidence": evidence})).status == 200
    assert (await (await client.get("/v1/workloads/w")).json())["framework"] == "huggingface"
    (log,) = store.register([an_input(folder="")])
    store.apply(log, Batch(b"1", facts={"framework": "huggingface"}))
    assert (await (await client.get("/v1/workloads/w")).json())["framework"] == "huggingface"
    detection = await (await client.get("/v1/workloads/w/framework-detection")).json()
    assert (detection["framework"], detection["frameworks"]) == ("transformers", ["transformers"])
    assert (detection["conflicts"], detection["status"]) == ([], "verified")


async def test_a_log_that_disagrees_lowers_it_and_is_shown(connect: Connect, store: Store) -> None:
    client = await connect()
    evidence = {"environment": {"DS_CONFIG": "x"}}
    assert (await client.post("/v1/wandb/detection", json=WHO | {"evidence": evidence})).status == 200
    (log,) = store.register([an_input(folder="")])
    store.apply(log, Batch(b"1", facts={"framework": "keras"}))
    detection = await (await client.get("/v1/workloads/w/framework-detection")).json()
    assert (detection["framework"], detection["status"], detection["confidence"]) == (
        "deepspeed",
        "conflict",
        0.6,
    )
    assert detection["conflicts"][0]["framework2"] == "keras"


async def test_nothing_is_detected_of_the_unknown(connect: Connect) -> None:
    client = await connect()
    assert (await client.get("/v1/workloads/nobody/framework-detection")).status == 404


async def test_nan_and_infinity_are_taken_and_kept_but_not_served(connect: Connect, store: Store) -> None:
    client = await connect()
    text = json.dumps(
        body(metric("loss", float("nan"), 1), metric("loss", float("inf"), 2), metric("loss", 0.5, 3))
    )
    assert "NaN" in text
    answer = await (await client.post("/v1/wandb/metrics", data=text)).json()
    assert (answer["count"], answer["duplicates"], answer["left_out"]) == (3, 0, 0)
    assert await served(client) == {"loss": [(3, 0.5)]}
    with store.read() as reader:
        (loss,) = reader.members(1, kind="metric")
        assert [span.points for span in loss.spans] == [3]


async def test_what_is_no_number_is_left_out_and_counted(connect: Connect) -> None:
    client = await connect()
    odd: list[Any] = ["text", None, [1], {"_type": "image-file"}, True, "1.5"]
    entries = [metric("x", value, step) for step, value in enumerate(odd)]
    entries += [metric("x", 1.0, "one"), metric("", 1.0), metric("_step", 1.0), metric("run_id", 3.0)]
    answer = await (await client.post("/v1/wandb/metrics", json=body(*entries, metric("x", 2.0, 9)))).json()
    assert (answer["count"], answer["left_out"]) == (1, len(entries))
    assert await served(client) == {"x": [(9, 2.0)]}


async def test_rows_are_stored_like_metrics(connect: Connect) -> None:
    client = await connect()
    rows = [{"step": 3, "timestamp": 1795208609.5, "data": {"loss": 0.5, "opt": {"lr": 0.1}, "note": "x"}}]
    answer = await (await client.post("/v1/wandb/logs", json=WHO | {"logs": rows})).json()
    assert answer["count"] == 2
    assert await served(client) == {"loss": [(3, 0.5)], "opt.lr": [(3, 0.1)]}


async def test_a_batch_whose_parts_stand_or_fall_alone(connect: Connect) -> None:
    client = await connect()
    parts = {"detection": WHO | {"evidence": {}}, "metrics": body(metric("loss", 0.5)), "logs": {"logs": []}}
    answer = await (await client.post("/v1/wandb/batch", json=parts)).json()
    assert answer["success"] is False
    assert answer["results"]["metrics"] == {"success": True, "count": 1}
    assert answer["results"]["detection"] == {"success": True}
    assert "workload_uid" in answer["results"]["logs"]["error"]
    assert await served(client) == {"loss": [(1, 0.5)]}


async def test_the_later_value_of_a_step_replaces_the_earlier(connect: Connect) -> None:
    client = await connect()
    for value in (1.0, 2.0):
        await client.post("/v1/wandb/metrics", json=body(metric("loss", value, 5)))
    await client.post("/v1/wandb/metrics", json=body(metric("loss", 0.5, 4)))  # a step that goes back
    assert sorted((await served(client))["loss"]) == [(4, 0.5), (5, 2.0)]


async def test_the_pod_names_the_workload_where_nothing_else_does(connect: Connect) -> None:
    client = await connect()
    entry = body(metric("loss", 0.5), workload_uid="", pod_name="pod-7")
    assert (await client.post("/v1/wandb/metrics", json=entry)).status == 200
    assert await served(client, "pod-7") == {"loss": [(1, 0.5)]}


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("metrics", b"", "not JSON"),
        ("metrics", b'{"metrics": [', "not JSON"),
        ("metrics", b"[]", "the body is a list"),
        ("metrics", b'{"workload_uid": "w"}', "metrics is null"),
        ("metrics", b'{"workload_uid": "w", "metrics": {}}', "metrics is an object"),
        ("metrics", b'{"metrics": []}', "workload_uid"),
        ("metrics", b'{"workload_uid": 5, "metrics": []}', "workload_uid is a number"),
        ("detection", b'{"test": "data"}', "evidence"),
        ("batch", b"{}", "one of them"),
        ("metrics", b"[" * 100_000, "not JSON"),
        ("metrics", b"\xff\xfe", "not JSON"),
    ],
)
async def test_a_body_of_the_wrong_shape_is_refused_with_a_sentence(
    connect: Connect, path: str, data: bytes, message: str
) -> None:
    client = await connect()
    answer = await client.post(f"/api/v1/wandb/{path}", data=data)
    assert answer.status == 400
    assert message in (await answer.json())["message"]
    assert (await (await client.get("/v1/workloads")).json())["total_count"] == 0


@pytest.mark.parametrize("field", ["workload_uid", "run_id", "name"])
async def test_half_a_surrogate_pair_is_a_character_like_any_other(connect: Connect, field: str) -> None:
    client = await connect()
    one, other = metric("a", 0.5), metric("b", 1.5)
    sent = body(one, other)
    if field == "name":
        one["name"], other["name"] = "a\ud800", "a\udc00"
    else:
        sent[field] = "w\ud800"
    answer = await (await client.post("/v1/wandb/metrics", data=json.dumps(sent))).json()
    assert (answer["count"], answer["duplicates"]) == (2, 0)
    (workload,) = (await (await client.get("/v1/workloads")).json())["workloads"]
    assert workload["uid"] == ("w\\ud800" if field == "workload_uid" else "w")
    if field == "name":
        assert await served(client) == {"a\\ud800": [(1, 0.5)], "a\\udc00": [(1, 1.5)]}


async def test_evidence_may_hold_any_character(connect: Connect) -> None:
    client = await connect()
    evidence = {"wandb": {"config": {"framework": "x\ud800"}, "name": "\udfff"}}
    assert (await client.post("/v1/wandb/detection", json=WHO | {"evidence": evidence})).status == 200
    detection = await (await client.get("/v1/workloads/w/framework-detection")).json()
    assert detection["framework"] == "x\\ud800"


async def test_a_number_beyond_every_float_is_taken_as_infinity(connect: Connect) -> None:
    client = await connect()
    entries = [metric("loss", 10**400, 1), metric("loss", -(10**400), 2), metric("loss", 0.5, 3)]
    answer = await (await client.post("/v1/wandb/metrics", json=body(*entries))).json()
    assert (answer["count"], answer["left_out"]) == (3, 0)
    assert await served(client) == {"loss": [(3, 0.5)]}


async def test_a_body_that_is_not_packed_as_it_says_is_refused(connect: Connect) -> None:
    client = await connect()
    plain = json.dumps(body(metric("loss", 0.5))).encode()
    for data in (plain, gzip.compress(plain)[:-12]):
        answer = await client.post("/v1/wandb/metrics", data=data, headers={"Content-Encoding": "gzip"})
        assert answer.status == 400
        assert (await answer.json())["code"] == "RequestParameterInvalid"
    assert (await (await client.get("/v1/workloads")).json())["total_count"] == 0


@pytest.mark.parametrize("path", ["metrics", "batch"])
@pytest.mark.parametrize(
    ("why", "seconds"), [(Busy(), "1"), (StoreError("the disk is full"), "10")], ids=["busy", "full disk"]
)
async def test_who_cannot_be_served_now_is_told_to_come_again(
    connect: Connect, path: str, why: Exception, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect()

    async def full(*_: object, drop: bool) -> int:
        raise why

    monkeypatch.setattr(Ingest, "put", full)
    sent: dict[str, Any] = body(metric("loss", 0.5))
    answer = await client.post(f"/v1/wandb/{path}", json={"metrics": sent} if path == "batch" else sent)
    assert (answer.status, answer.headers["Retry-After"]) == (429, seconds)


async def test_too_much_is_refused_packed_or_not(connect: Connect) -> None:
    client = await connect(limits=Limits(body_bytes=1000))
    big = json.dumps(body(*[metric("loss", 0.5, step) for step in range(100)])).encode()
    for data, headers in ((big, {}), (gzip.compress(big), {"Content-Encoding": "gzip"})):
        assert (await client.post("/v1/wandb/metrics", data=data, headers=headers)).status == 413
    small = gzip.compress(json.dumps(body(metric("loss", 0.5))).encode())
    answer = await client.post("/v1/wandb/metrics", data=small, headers={"Content-Encoding": "gzip"})
    assert answer.status == 200


@pytest.mark.slow
async def test_ten_thousand_keys_and_any_characters(connect: Connect) -> None:
    client = await connect()
    names = [f"key {number}/é\n{{}}," for number in range(10_000)]
    answer = await (
        await client.post("/v1/wandb/metrics", json=body(*[metric(n, 0.5) for n in names]))
    ).json()
    assert answer["count"] == 10_000
    assert len(await served(client)) == 10_000


async def test_a_hundred_posts_at_once(connect: Connect) -> None:
    client = await connect()
    posts = [
        client.post("/v1/wandb/metrics", json=body(metric("loss", float(step), step))) for step in range(100)
    ]
    answers = await asyncio.gather(*posts)
    assert {answer.status for answer in answers} == {200}
    assert len((await served(client))["loss"]) == 100


async def test_a_client_that_dies_within_its_body_leaves_nothing(connect: Connect) -> None:
    client = await connect()
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"POST /v1/wandb/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        + b'{"metrics": ['
    )
    await writer.drain()
    writer.close()
    assert (await client.post("/v1/wandb/metrics", json=body(metric("loss", 0.5)))).status == 200
    assert await served(client) == {"loss": [(1, 0.5)]}
