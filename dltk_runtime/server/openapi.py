"""The OpenAPI document, built from the operations themselves."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from dltk_runtime.access.holder import Right

Handler = Callable[[Request], Awaitable[Any]]
DETAIL = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}


@dataclass(frozen=True, slots=True)
class AddressPart:
    """A part of an address that the caller chooses: its name, JSON schema and meaning.

    With `prefix` it stands for all parameters of the query whose names begin so, and that have no entry of their own.
    """

    name: str
    schema: Mapping[str, Any]
    what: str
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the OpenAPI document shows it; `right` is what a named token needs for it."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: Any = None  # the type of a JSON answer, None for other kinds
    right: Right = Right.READ
    also: tuple[str, ...] = ()  # media types of the answer beside JSON, for who accepts one of them
    query: tuple[AddressPart, ...] = ()  # each of which may be left out
    content: tuple[str, ...] = ()  # media types of the request's body, which those of the answer are too


def document(operations: Sequence[Operation], version: str, names: Mapping[str, AddressPart]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `operations`, whose paths have `names` in them."""
    answers = [each.answer for each in operations if each.answer is not None]
    schemas, components = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(str, answers), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        schema = schema_of.get(str(each.answer)) if each.answer is not None else None
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schema, names)
    token = {
        "type": "http",
        "scheme": "bearer",
        "description": "api_token; DLTK_ADMIN_TOKEN for what changes something",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "dltk-runtime", "version": version},
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": token}},
    }


def _operation(operation: Operation, schema: dict[str, Any] | None, names: Mapping[str, AddressPart]) -> dict[str, Any]:
    content: dict[str, Any] = _json(schema) if schema else {"text/plain": {"schema": {"type": "string"}}}
    content |= {media: {"schema": {"type": "string"}} for media in operation.also}
    if operation.content:
        content = {media: {"schema": {}} for media in operation.content}
    in_path = [names[each] for each in re.findall(r"{(\w+)}", operation.path)]
    sent = {"requestBody": {"required": True, "content": content}} if operation.content else {}
    return sent | {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', operation.path.lower()).strip('_')}",
        "parameters": [
            *(_parameter(each, "path") for each in in_path),
            *(_parameter(each, "query") for each in operation.query),
        ],
        "responses": {
            "200": {"description": operation.summary, "content": content},
            "401": {"description": "No token, or another one.", "content": _json(DETAIL)},
            "default": {"description": "`detail` says what was wrong.", "content": _json(DETAIL)},
        },
    }


def _parameter(parameter: AddressPart, place: str) -> dict[str, Any]:
    shown = {"name": parameter.name, "in": place, "required": place == "path", "description": parameter.what}
    if parameter.prefix is None:
        return shown | {"schema": dict(parameter.schema)}
    # An object whose members are parameters of the query themselves.
    named = {"type": "object", "propertyNames": {"pattern": "^" + re.escape(parameter.prefix)}}
    return shown | {
        "style": "form",
        "explode": True,
        "schema": named | {"additionalProperties": dict(parameter.schema)},
    }


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": dict(schema)}}
