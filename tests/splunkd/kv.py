"""The routes ``storage/collections/…``."""

from __future__ import annotations

import json
from typing import Any

from dltk_runtime.emulator.standin import KvCollection, KvRefused, KvStore, NotEmulated
from tests.splunkd.answers import Answer, Entry, Refusal, Request, decoded, feed, in_json

FIELD = "field."


def answer(request: Request, store: KvStore) -> Answer:
    """What the KV store of the request's app says."""
    if request.owner not in ("nobody", "-", ""):
        raise NotEmulated("collections of single users", "Ask as owner nobody.")
    _, _, rest = request.path.partition("storage/collections/")
    part, _, rest = rest.partition("/")
    name, _, key = rest.strip("/").partition("/")
    try:
        if part == "config":
            return _config(request, store, decoded(name))
        if part == "data":
            return _data(request, store[decoded(name)], decoded(key))
    except KvRefused as error:
        raise Refusal(error.http_status, error.sentence) from error
    raise NotEmulated(f"{request.method} {request.path}")


def _config(request: Request, store: KvStore, name: str) -> Answer:
    match request.method, bool(name):
        case "GET", False:
            return feed(request, [_entry(request, each) for each in store])
        case "POST", False:
            new = store.create(request.params["name"], _types(request), enforce=_enforces(request))
            return feed(request, [_entry(request, new)], 201)
        case "GET", True:
            return feed(request, [_entry(request, store[name])])
        case "POST", True:
            store[name].types |= _types(request)
            return feed(request, [_entry(request, store[name])])
        case "DELETE", True:
            store.remove(name)
            return feed(request, [])
    raise NotEmulated(f"{request.method} {request.path}")


def _data(request: Request, collection: KvCollection, key: str) -> Answer:
    match request.method, key:
        case "GET", "":
            return in_json(_query(collection, request.params))
        case "GET", _:
            return in_json(collection.get(key))
        case "DELETE", "":
            collection.delete(_object(request.params.get("query", "{}")))
            return in_json("")
        case "DELETE", _:
            collection.delete_key(key)
            return in_json("")
        case "POST", "":
            return in_json({"_key": collection.insert(_document(request))}, 201)
        case "POST", "batch_save":
            return in_json(collection.batch_save(_document(request)))
        case "POST", "batch_find":
            return in_json([_query(collection, _as_params(each)) for each in _document(request)])
        case "POST", _:
            return in_json({"_key": collection.replace(key, _document(request))})
    raise NotEmulated(f"{request.method} {request.path}")


def _query(collection: KvCollection, params: Any) -> list[dict[str, Any]]:
    fields = [name for name in params.get("fields", "").split(",") if name]
    if any(":" in name for name in fields):
        raise NotEmulated("fields=name:0 in a query of the KV store")
    order = [each.partition(":") for each in params.get("sort", "").split(",") if each]
    return collection.query(
        _object(params.get("query", "{}")),
        fields=fields,
        sort=[(name, int(direction or 1)) for name, _, direction in order],
        skip=int(params.get("skip", 0)),
        limit=int(params.get("limit", 0)),
    )


def _as_params(query: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in query.items()}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refusal(
            400, f"JSON in the request is invalid. ( JSON parse error at offset 1 of file '{text}' )"
        ) from error
    if not isinstance(found, dict):
        raise Refusal(400, "The query must be an object.")
    return found


def _document(request: Request) -> Any:
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        raise Refusal(400, "Must supply content-type of application/json.")
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise Refusal(400, f"JSON in the request is invalid. ( {error} )") from error


def _types(request: Request) -> dict[str, str]:
    return {name.removeprefix(FIELD): kind for name, kind in request.params.items() if name.startswith(FIELD)}


def _enforces(request: Request) -> bool:
    return request.params.get("enforceTypes", "false").lower() in ("1", "true")


def _entry(request: Request, collection: KvCollection) -> Entry:
    content = {FIELD + name: kind for name, kind in collection.types.items()}
    content["enforceTypes"] = str(collection.enforce).lower()
    return Entry(collection.name, content, f"storage/collections/config/{collection.name}", request.app)
