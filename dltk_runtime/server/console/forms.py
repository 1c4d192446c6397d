"""The fields of a form that a browser sends, also with a file: bounded, and never parsed beyond its parts."""

from __future__ import annotations

from collections.abc import Iterator
from email.parser import HeaderParser
from urllib.parse import parse_qs

from starlette.requests import Request

from dltk_runtime.server import body

MAX_FIELDS = 20
MAX_HEAD_BYTES = 2048  # of the headers of one part
MULTIPART = "multipart/form-data"


async def received(request: Request, limit: int) -> dict[str, str] | None:
    """Return the fields of a form, a file as its text; None for a body of more than `limit` bytes.

    Bytes of a file that are no UTF-8 are halves of surrogate pairs, as `bytes_of` expects them.
    """
    content, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            content += chunk
        elif size > body.MAX_REFUSED_BYTES:
            break
        # else it is read to its end: a browser shows a lost connection, and no answer, before that
    return fields(bytes(content), request.headers.get("content-type", "")) if size <= limit else None


def fields(content: bytes, kind: str) -> dict[str, str]:
    """Return the fields of a form of this Content-Type; none of one that is not well-formed."""
    if kind.partition(";")[0].strip().lower() == MULTIPART:
        return dict(_parts(content, kind))
    try:
        found = parse_qs(content.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def bytes_of(text: str) -> bytes:
    """Return the bytes of a file, as they were sent."""
    return text.encode("utf-8", "surrogateescape")


def _parts(content: bytes, kind: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each part of a multipart body."""
    boundary = HeaderParser().parsestr(f"Content-Type: {kind}").get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        return
    pieces = (b"\r\n" + content).split(b"\r\n--" + boundary.encode("utf-8", "replace"), MAX_FIELDS + 1)
    for piece in pieces[1:]:
        head, blank, text = piece.partition(b"\r\n\r\n")
        if not blank or len(head) > MAX_HEAD_BYTES:
            return  # the end, or nothing of a browser
        part = HeaderParser().parsestr(head.decode("latin-1").lstrip())
        name, file = (part.get_param(each, header="content-disposition") for each in ("name", "filename"))
        if isinstance(name, str):
            yield name, text.decode("utf-8", "replace" if file is None else "surrogateescape")
