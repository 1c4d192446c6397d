"""The OpenAPI document, built from the operations themselves."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from dltk_runtime.access.holder import Right

Handler = Callable[[Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the OpenAPI document shows it; `right` is what a named token needs for it."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: Any = None  # the type of a JSON answer, None for other kinds
    right: Right = Right.READ
    reasoned: bool = False  # whether it takes a reason, for the history
    also: tuple[str, ...] = ()  # media types of the answer beside JSON, for who accepts one of them
    query: tuple[str, ...] = ()  # parameters of the address, each of which may be left out
    content: tuple[str, ...] = ()  # media types of the request's body, which those of the answer are too


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `operations`."""
    answers = [each.answer for each in operations if each.answer is not None]
    schemas, components = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(str, answers), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        schema = schema_of.get(str(each.answer)) if each.answer is not None else None
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schema)
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


def _operation(operation: Operation, schema: dict[str, Any] | None) -> dict[str, Any]:
    content: dict[str, Any] = (
        {"application/json": {"schema": schema}} if schema else {"text/plain": {"schema": {"type": "string"}}}
    )
    content |= {media: {"schema": {"type": "string"}} for media in operation.also}
    if operation.content:
        content = {media: {"schema": {}} for media in operation.content}
    names = re.findall(r"{(\w+)}", operation.path)
    query = [*operation.query, *(["reason"] if operation.reasoned else [])]
    sent = {"requestBody": {"required": True, "content": content}} if operation.content else {}
    return sent | {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', operation.path.lower()).strip('_')}",
        "parameters": [_parameter(name, place) for place, each in (("path", names), ("query", query)) for name in each],
        "responses": {
            "200": {"description": operation.summary, "content": content},
            "401": {"description": "No token, or another one."},
            "default": {"description": "`detail` says what was wrong."},
        },
    }


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
