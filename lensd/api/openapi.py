"""The OpenAPI 3.1 document, made from a route table and the types that answers are encoded from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from lensd import __version__
from lensd.api.description import JSON, Answer, Parameter, Route

Json = dict[str, Any]

REF_TEMPLATE = "#/components/schemas/{name}"
#: Status to description; the reference prints them, too.
ERRORS = {
    400: "A parameter or the body is not valid",
    401: "The token is missing or wrong",
    403: "Refused: a page of another origin, a token for other requests, or what lensd does not do",
    404: "Not found",
    408: "The body did not come in time",
    409: "Nothing could be stored for a minute: the W&B SDK keeps it in its file",
    413: "The body is too large, or has more new names of metrics than are allowed",
    421: "The request calls the daemon by a name that is not its own",
    422: "A parameter is not valid",
    426: "Not a WebSocket request",
    429: "Too many requests or open streams, or the daemon is busy; retry later",
    500: "The daemon failed; its log has the details",
}
#: Header to JSON type and description.
HEADERS = {
    "ETag": ("string", "The state of the answer, for If-None-Match"),
    "Cache-Control": ("string", "no-cache"),
    "X-Row-Count": ("integer", "How many rows the answer has"),
    "X-Total-Count": ("integer", "How many rows there were before downsampling"),
    "X-Last-Step": ("integer", "The last step; left out if there are no rows"),
    "X-RateLimit-Limit": ("integer", "How many requests the window allows"),
    "X-RateLimit-Remaining": ("integer", "How many requests are left"),
    "X-RateLimit-Reset": ("integer", "The length of the window in seconds"),
    "Retry-After": ("integer", "Seconds to wait"),
    "WWW-Authenticate": ("string", "Bearer"),
    "Upgrade": ("string", "websocket"),
}
_ERROR_HEADERS = {401: ("WWW-Authenticate",), 426: ("Upgrade",), 429: ("Retry-After",)}
_BYTES: Json = {"type": "string", "format": "binary"}
_VERSION_HEADERS = ("ETag", "Cache-Control")
_PATH_PARAMETER = re.compile(r"{(\w+)}")


def document(routes: Iterable[Route]) -> bytes:
    """The document as JSON."""
    routes = list(routes)
    schemas, components = type_schemas(routes)
    paths: Json = {}
    for route in routes:
        for index, prefix in enumerate(route.surface.prefixes):
            operation_id = route.operation + (_suffix(prefix) if index else "")
            operations = paths.setdefault(prefix + route.path, {})
            operations[route.method.lower()] = _operation(route, prefix, operation_id, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "lensd", "version": __version__},
            "security": [{}, {"bearer": []}, {"basic": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "headers": {
                    name: {"description": description, "schema": {"type": kind}}
                    for name, (kind, description) in HEADERS.items()
                },
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "basic": {"type": "http", "scheme": "basic"},
                },
            },
        }
    )


def type_schemas(routes: Iterable[Route]) -> tuple[dict[Any, Json], dict[str, Json]]:
    """(type to its JSON schema, name to schema of the components that those refer to)."""
    types = list(dict.fromkeys(_types(routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=REF_TEMPLATE)
    return dict(zip(types, map(_plain, schemas), strict=True)), _plain(components)


def _plain(schema: Any) -> Any:
    """A schema without `items: false` of tuples, at which generators stop; `maxItems` says the same."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _plain(value) for key, value in schema.items() if not (key == "items" and value is False)}


def _types(routes: Iterable[Route]) -> Iterator[Any]:
    for route in routes:
        yield route.surface.error
        if route.body is not None and route.body.type is not None:
            yield route.body.type
        for answer in route.answers:
            yield from (kind for kind in (answer.type, answer.other_type) if kind is not None)


def _suffix(prefix: str) -> str:
    """What makes the operation id of an alias unique: `LensV1`, `V1`, `ForWorkload`."""
    return "".join(word.capitalize() for word in re.findall(r"\w+", prefix))


def _operation(route: Route, prefix: str, operation_id: str, schemas: dict[Any, Json]) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(prefix + route.path)
    ]
    parameters += [_query_parameter(parameter) for parameter in route.parameters]
    if route.versioned:
        parameters.append({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}})
    responses = {str(answer.status): _response(route, answer, schemas) for answer in route.answers}
    responses |= {str(status): _error(route, status, schemas) for status in route.error_statuses}
    operation: Json = {
        "operationId": operation_id,
        "tags": [route.surface.title],
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    }
    if route.body is not None:
        schema = _BYTES if route.body.type is None else schemas[route.body.type]
        operation["requestBody"] = {"required": True, "content": {route.body.media_type: {"schema": schema}}}
    if route.is_open:
        operation["security"] = []
    return operation


def _query_parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def answer_headers(route: Route, answer: Answer) -> tuple[str, ...]:
    """The names of the headers that an answer carries beside the usual ones."""
    return (*answer.headers, *(_VERSION_HEADERS if route.versioned else ()))


def body_schema(answer: Answer, schemas: dict[Any, Json]) -> Json:
    """The schema of the JSON body of an answer."""
    if answer.other_type is None:
        return schemas[answer.type]
    return {"anyOf": [schemas[answer.type], schemas[answer.other_type]]}


def _response(route: Route, answer: Answer, schemas: dict[Any, Json]) -> Json:
    response: Json = {"description": answer.description}
    headers = answer_headers(route, answer)
    if headers:
        response["headers"] = _headers(headers)
    if answer.media_types:
        response["content"] = {
            media_type: {"schema": body_schema(answer, schemas) if media_type == JSON else {"type": "string"}}
            for media_type in answer.media_types
        }
    return response


def _error(route: Route, status: int, schemas: dict[Any, Json]) -> Json:
    response: Json = {
        "description": ERRORS[status],
        "content": {JSON: {"schema": schemas[route.surface.error]}},
    }
    if status in _ERROR_HEADERS:
        response["headers"] = _headers(_ERROR_HEADERS[status])
    return response


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
