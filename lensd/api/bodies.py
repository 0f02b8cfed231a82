"""JSON bodies of the pushes, of the W&B endpoints and of errors, as the description of the API shows them.

The handlers of pushes take more than is described: they count wrong entries and ignore unknown fields.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class LensError(msgspec.Struct):
    """An error of the Lens API. The 429 of a limit adds `retry_after`, in seconds."""

    code: Literal["RequestParameterInvalid", "Unauthorized", "NotFound", "TooManyRequests", "InternalError"]
    message: str
    retry_after: int | UnsetType = UNSET


class InvalidParameter(msgspec.Struct):
    """Why a parameter is refused (422). `loc` is `["query", NAME]`, `ctx` the limit that was exceeded."""

    type: str
    loc: list[str]
    msg: str
    input: str
    ctx: dict[str, int] | UnsetType = UNSET


class RunsError(msgspec.Struct):
    """An error of the Runs API. The 429 of a rate limit adds `retry_after`, in seconds."""

    detail: str | list[InvalidParameter]
    retry_after: int | UnsetType = UNSET


class DetectionPush(msgspec.Struct):
    """Evidence of the framework that trains. `pod_name` names the workload where `workload_uid` is empty.

    `evidence` may hold `wandb` (`id`, `name`, `project`, `config`), `environment`, `pytorch`,
    `wrapper_frameworks` and `base_frameworks`; `hints` may hold `possible_frameworks`.
    """

    evidence: dict[str, Any]
    workload_uid: str | None = None
    pod_name: str | None = None
    hints: dict[str, Any] | UnsetType = UNSET
    source: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    namespace: str | UnsetType = UNSET
    pod_uid: str | UnsetType = UNSET
    timestamp: float | UnsetType = UNSET


class PushedMetric(msgspec.Struct):
    """One value. `timestamp` is in seconds since the epoch and defaults to that of the push."""

    name: str
    value: float
    step: int
    timestamp: float | UnsetType = UNSET
    tags: dict[str, Any] | UnsetType = UNSET


class _ValuesPush(msgspec.Struct, kw_only=True):
    """Whose values these are."""

    workload_uid: str | None = None
    pod_name: str | None = None
    run_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    pod_uid: str | UnsetType = UNSET
    timestamp: float | UnsetType = UNSET


class MetricsPush(_ValuesPush, kw_only=True):
    """Values passed to wandb. `timestamp` is in seconds since the epoch and defaults to now."""

    metrics: list[PushedMetric]


class PushedRow(msgspec.Struct):
    """The values of one step. `timestamp` is in seconds since the epoch; names of nested values are joined
    with dots."""

    step: int
    data: dict[str, Any]
    timestamp: float | UnsetType = UNSET


class LogsPush(_ValuesPush, kw_only=True):
    """Rows passed to wandb. `timestamp` is in seconds since the epoch and defaults to now."""

    logs: list[PushedRow]


class BatchPush(msgspec.Struct):
    """At least one of the three; each is stored or refused on its own."""

    detection: DetectionPush | None = None
    metrics: MetricsPush | None = None
    logs: LogsPush | None = None


class GraphQLRequest(msgspec.Struct):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None


class GraphQLError(msgspec.Struct):
    message: str


class GraphQLAnswer(msgspec.Struct):
    """`data` is null and `errors` is there for an operation that lensd does not know."""

    data: dict[str, Any] | None
    errors: list[GraphQLError] | UnsetType = UNSET


class FileLines(msgspec.Struct):
    """Lines of one file; `offset` is the number of the first, counted from 0."""

    offset: int
    content: list[str]


class FileStreamRequest(msgspec.Struct):
    """Lines of `wandb-history.jsonl`, `wandb-events.jsonl`, `output.log` and `wandb-summary.json`.

    `complete` and `exitcode` end the run.
    """

    files: dict[str, FileLines] | UnsetType = UNSET
    complete: bool | None = None
    exitcode: int | None = None


class FileStreamAnswer(msgspec.Struct):
    """`dropped_names`: metrics that were left out because the workload has too many names."""

    exitcode: None
    limits: dict[str, Any]
    dropped_names: int | UnsetType = UNSET
