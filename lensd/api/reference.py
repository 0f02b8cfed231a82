"""The HTTP reference in Markdown, made from the route table.

`python -m lensd.api.reference docs/http-api.md` rewrites what stands between the two markers of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from lensd.api.description import Parameter, Route
from lensd.api.openapi import ERRORS, HEADERS, answer_headers, body_schema, type_schemas
from lensd.api.routes import ROUTES, SURFACES

BEGIN, END = "<!-- reference: made by `make docs` -->", "<!-- end of the reference -->"

Json = dict[str, Any]


def main(path: str) -> None:
    """Rewrite the reference in a file. Raises ValueError if it lacks a marker."""
    file = Path(path)
    file.write_text(updated(file.read_text("utf-8")), "utf-8")


def updated(text: str) -> str:
    """The text with the reference of ROUTES between its markers. Raises ValueError if it lacks one."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:start]}\n\n{reference(ROUTES)}\n{text[end:]}"


def reference(routes: Iterable[Route]) -> str:
    """The whole reference: each surface with its routes, errors and headers, then the types."""
    routes = list(routes)
    schemas, components = type_schemas(routes)
    blocks: list[str] = []
    for surface in SURFACES:
        blocks.append(f"### {surface.title}")
        if len(surface.prefixes) > 1:
            prefixes = ", ".join(f"`{prefix}`" if prefix else "nothing" for prefix in surface.prefixes)
            blocks.append(f"Each path follows one of the prefixes {prefixes}.")
        for route in routes:
            if route.surface is surface:
                blocks += _route_blocks(route, schemas)
    blocks += ["### Errors", *_error_blocks(routes, schemas)]
    blocks += ["### Headers", _table(("header", "type", ""), _header_rows())]
    blocks += ["### Types", *_type_blocks(components)]
    return "\n\n".join(blocks) + "\n"


def _route_blocks(route: Route, schemas: dict[Any, Json]) -> Iterator[str]:
    yield f"#### {route.method} {route.path}"
    yield route.summary + "."
    if route.parameters:
        yield _table(("parameter", "type", "default", ""), map(_parameter_row, route.parameters))
    lines = []
    if route.body is not None:
        kind = f", {shape(schemas[route.body.type])}" if route.body.type is not None else ""
        lines.append(f"Body: `{route.body.media_type}`{kind}")
    for answer in route.answers:
        parts = [f"{answer.status} {answer.description}"]
        parts += [f"`{media_type}`" for media_type in answer.media_types]
        parts += [shape(body_schema(answer, schemas))] if answer.type is not None else []
        lines.append(": ".join(("Answer", ", ".join(parts))))
        headers = answer_headers(route, answer)
        if headers and answer.status != 304:
            lines.append("Headers: " + ", ".join(f"`{name}`" for name in headers))
    lines.append("Errors: " + ", ".join(map(str, route.error_statuses)))
    yield "\n".join(f"- {line}" for line in lines)


def _parameter_row(parameter: Parameter) -> tuple[str, ...]:
    default = parameter.schema.get("default")
    return (
        f"`{parameter.name}`",
        _parameter_type(parameter.schema),
        "" if default is None else f"`{default}`",
        parameter.description,
    )


def _parameter_type(schema: Json) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema["type"])
    if "minimum" in schema:
        kind += f" from {schema['minimum']}"
    if "maximum" in schema:
        kind += f" to {schema['maximum']}"
    return kind


def _error_blocks(routes: list[Route], schemas: dict[Any, Json]) -> Iterator[str]:
    used = {status for route in routes for status in route.error_statuses}
    yield _table(("status", ""), ((str(status), ERRORS[status]) for status in sorted(used)))
    yield "\n".join(f"- {surface.title}: {shape(schemas[surface.error])}" for surface in SURFACES)


def _header_rows() -> Iterator[tuple[str, ...]]:
    for name, (kind, description) in HEADERS.items():
        yield f"`{name}`", kind, description


def _type_blocks(components: dict[str, Json]) -> Iterator[str]:
    for name, schema in sorted(components.items()):
        yield f"#### {name}"
        if "description" in schema:
            yield " ".join(schema["description"].split())
        rows = (
            (f"`{field}`", shape(inner), "" if field in schema.get("required", ()) else "may be left out")
            for field, inner in schema.get("properties", {}).items()
        )
        yield _table(("field", "type", ""), rows)


def shape(schema: Json) -> str:
    """A JSON schema in a few words, with links to the types of the reference."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(shape, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{msgspec.json.encode(value).decode()}`" for value in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(map(shape, schema['prefixItems']))}]"
    if schema.get("type") == "array":
        return f"array of {shape(schema.get('items', {}))}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {shape(values)}" if values else "object"
    return str(schema.get("type", "any"))


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main(sys.argv[1])
