"""The HTTP client that Splunk's side is: Python's urllib, a bare token, no compression, no retry (protocol 1)."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime.client.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer, whatever its status; `url` is what was asked."""

    url: str
    status: int
    reason: str
    body: bytes


def post(
    url: str,
    token: str,
    path: str,
    payload: Mapping[str, Any],
    timeout: float | None = None,
    cafile: Path | None = None,
) -> Reply:
    """POST `payload` as JSON, non-ASCII escaped, to `url` + `path`.

    `timeout` is in seconds; Splunk waits without one. A certificate is checked for https, against `cafile` when given.

    Raises:
        Unreachable: nobody answered.
    """
    return _send(url, token, path, json.dumps(payload).encode("ascii"), timeout, cafile)


def get(url: str, token: str, path: str, timeout: float | None = None, cafile: Path | None = None) -> Reply:
    """GET `url` + `path`, with the headers of `post`.

    Raises:
        Unreachable: nobody answered.
    """
    return _send(url, token, path, None, timeout, cafile)


def delete(url: str, token: str, path: str, timeout: float | None = None, cafile: Path | None = None) -> Reply:
    """DELETE `url` + `path`, with the headers of `post`.

    Raises:
        Unreachable: nobody answered.
    """
    return _send(url, token, path, None, timeout, cafile, "DELETE")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry token and events to an address that nobody named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _send(
    url: str,
    token: str,
    path: str,
    body: bytes | None,
    timeout: float | None,
    cafile: Path | None,
    method: str | None = None,
) -> Reply:
    address = _address(url, path)
    headers = {"Authorization": token, "Content-Type": "application/json", "Connection": "close"}
    request = urllib.request.Request(address, data=body, headers=headers, method=method)  # noqa: S310 - _address checks the scheme
    try:
        with _open(request, timeout, cafile) as answer:
            return Reply(address, answer.status or 0, answer.reason or "", answer.read())
    except urllib.error.URLError as error:
        raise Unreachable(url, str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(url, str(error) or type(error).__name__) from error


def _address(url: str, path: str) -> str:
    try:
        scheme = urllib.parse.urlsplit(url).scheme
    except ValueError as error:
        raise Unreachable(url, str(error)) from error
    if scheme not in {"http", "https"}:
        raise Unreachable(url, "the address must begin with http:// or https://")
    return url.rstrip("/") + path


def _open(
    request: urllib.request.Request, timeout: float | None, cafile: Path | None
) -> http.client.HTTPResponse | urllib.error.HTTPError:
    """The answer, whatever its status: urllib raises those beyond 299, and they can be read all the same."""
    try:
        answer: http.client.HTTPResponse = _opener(cafile).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        return error
    return answer


def _opener(cafile: Path | None) -> urllib.request.OpenerDirector:
    """No proxies: the container is an address of one's own, and its token goes nowhere else."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if cafile:
        handlers.append(urllib.request.HTTPSHandler(context=_trusting(cafile)))
    return urllib.request.build_opener(*handlers)


def _trusting(cafile: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(cafile))
    except OSError as error:  # ssl.SSLError is one, and names no file
        raise OSError(f"the certificate file {cafile} cannot be read ({error})") from error
