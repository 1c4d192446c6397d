"""Requests and answers of splunkd, and the three languages it answers in: Atom, XML and JSON."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

ATOM = 'xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest"'


@dataclass(frozen=True)
class Request:
    """One request; `path` is what follows ``/services/`` or ``/servicesNS/<owner>/<app>/``, encoded as it came."""

    method: str
    path: str
    owner: str
    app: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def wants_json(self) -> bool:
        return self.params.get("output_mode") == "json"


@dataclass(frozen=True)
class Answer:
    """One answer. A body that is a generator is sent in chunks, as an export is."""

    status: int = 200
    body: bytes | Generator[bytes] = b""
    kind: str = "text/xml; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An answer that says no."""

    def __init__(self, status: int, text: str, kind: str = "ERROR") -> None:
        super().__init__(text)
        self.status, self.text, self.kind = status, text, kind

    def answer(self, request: Request | None) -> Answer:
        if request is not None and (request.wants_json or request.path.startswith("storage/collections/data")):
            return in_json({"messages": [{"type": self.kind, "text": self.text}]}, self.status)
        body = f"<response><messages><msg type={quoteattr(self.kind)}>{escape(self.text)}</msg></messages></response>"
        return Answer(self.status, b'<?xml version="1.0" encoding="UTF-8"?>\n' + body.encode())


@dataclass(frozen=True)
class Rights:
    """Whose an object is, who sees it, and which roles may read and write it."""

    owner: str = "nobody"
    sharing: str = "app"
    perms: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One object of the REST API."""

    name: str
    content: Mapping[str, Any]
    path: str
    app: str = "search"
    rights: Rights = field(default_factory=Rights)


def decoded(segment: str) -> str:
    """A name in a path. splunk-sdk writes a blank as ``+`` there."""
    return urllib.parse.unquote_plus(segment)


def in_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json; charset=UTF-8")


def feed(request: Request, entries: list[Entry], status: int = 200) -> Answer:
    """Objects as splunkd lists them."""
    if request.wants_json:
        listed = [{"name": each.name, "acl": _acl(each), "content": dict(each.content)} for each in entries]
        return in_json({"entry": listed, "paging": {"total": len(entries)}, "messages": []}, status)
    inside = "".join(map(_atom, entries))
    total = f"<opensearch:totalResults>{len(entries)}</opensearch:totalResults>"
    opened = (
        f'<feed {ATOM} xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"><title>{escape(request.path)}</title>'
    )
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{opened}{total}{inside}</feed>'.encode())


def single(request: Request, entry: Entry, status: int = 200) -> Answer:
    """One job, which splunkd gives as an entry without a feed."""
    if request.wants_json:
        return feed(request, [entry], status)
    body = _atom(entry).replace("<entry>", f"<entry {ATOM}>", 1)
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())


def sid(request: Request, number: str) -> Answer:
    """The id of a new job."""
    if request.wants_json:
        return in_json({"sid": number}, 201)
    return Answer(201, f'<?xml version="1.0" encoding="UTF-8"?>\n<response><sid>{number}</sid></response>'.encode())


def _acl(entry: Entry) -> dict[str, Any]:
    rights = entry.rights
    perms = {kind: list(roles) for kind, roles in rights.perms.items()}
    return {"app": entry.app, "owner": rights.owner, "sharing": rights.sharing, "can_write": True, "perms": perms}


def _atom(entry: Entry) -> str:
    link = f'<link href="/servicesNS/{entry.rights.owner}/{entry.app}/{escape(entry.path)}" rel="alternate"/>'
    content = _dict({**entry.content, "eai:acl": _acl(entry)})
    return f'<entry><title>{escape(entry.name)}</title>{link}<content type="text/xml">{content}</content></entry>'


def _dict(values: Mapping[str, Any]) -> str:
    return (
        "<s:dict>" + "".join(f"<s:key name={quoteattr(k)}>{_value(v)}</s:key>" for k, v in values.items()) + "</s:dict>"
    )


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(int(value))
        case dict():
            return _dict(value)
        case list():
            return "<s:list>" + "".join(f"<s:item>{_value(each)}</s:item>" for each in value) + "</s:list>"
        case _:
            return escape(str(value))
