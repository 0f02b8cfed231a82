"""Checks answers against the OpenAPI document, more strictly than it says: no field may be undescribed."""

from __future__ import annotations

import gzip
import json
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from lensd.api.openapi import document
from lensd.api.routes import ROUTES

_MOST_BYTES = 100_000  # the validator is slow
#: Without limits there are none of the first, without rows there is no last step, and a 401 may be a peer's.
_NOT_ALWAYS = {
    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Last-Step", "WWW-Authenticate",
}  # fmt: skip


def closed(schema: Any) -> Any:
    """The schema with `additionalProperties: false` wherever it names properties."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        copy.setdefault("additionalProperties", False)
    return copy


DOCUMENT: dict[str, Any] = json.loads(document(ROUTES))
_STRICT = closed(DOCUMENT)


def operation(method: str, path: str) -> dict[str, Any]:
    """What is described for a path template; GET for HEAD."""
    described: dict[str, Any] = _STRICT["paths"][path.replace("{uid:[^/]*}", "{uid}")]
    operation: dict[str, Any] = described["get" if method == "HEAD" else method.lower()]
    return operation


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    """Where a JSON value breaks a schema of the document."""
    whole = schema | {"components": _STRICT["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


class AnswerCheck:
    """A middleware that compares answers with their description: status, headers, and whole JSON bodies."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        resource = request.match_info.route.resource
        if resource is not None:
            self.failures += answer_faults(request.method, resource.canonical, answer)
        return answer


def answer_faults(method: str, path: str, answer: web.StreamResponse) -> list[str]:
    """Where an answer of a path template is not as described."""
    where = f"{method} {path} {answer.status}"
    response = operation(method, path)["responses"].get(str(answer.status))
    if response is None:
        return [f"{where} is not described"]
    headers = set(response.get("headers", ())) - _NOT_ALWAYS
    faulty = [f"{where} lacks {name}" for name in headers - set(answer.headers)]
    content = response.get("content", {})
    if content and answer.content_type not in content:
        faulty.append(f"{where} has type {answer.content_type}")
    body = getattr(answer, "body", None)
    if (
        answer.content_type in content
        and answer.content_type == "application/json"
        and isinstance(body, bytes)
    ):
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if len(body) < _MOST_BYTES:
            faulty += [
                f"{where} {fault}"
                for fault in faults(json.loads(body), content["application/json"]["schema"])
            ]
    return faulty
