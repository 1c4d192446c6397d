"""Who is signed in: a signed cookie that every replica accepts, and that notebooks cannot make.

The key follows from the container's tokens (HKDF, RFC 5869) and is kept nowhere: notebooks read
the home, and may not read the tokens. It changes with them, which ends all sessions. Where
`DLTK_ADMIN_TOKEN`, or without it `api_token`, is given as a hash, which a notebook may read, the
key is random: sessions then end with the server, and count on one replica alone. So it is with named
tokens beside `api_token` alone, since notebooks may read the hashes by which sessions name them.

A sign-out is noted in the home until the cookie would have ended. What a session may do is looked up
at each request: that of a named token ends when the token is removed from its file.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.requests import Request

from dltk_runtime.access.actor import MAX_PERSON_CHARACTERS, Actor, one_line
from dltk_runtime.access.file import hash_of
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.files.records import decoded
from dltk_runtime.server.proxy import NAME as PROXY
from dltk_runtime.server.token_files import ADMIN_NAME, API_NAME, CHANGE_RIGHTS, Tokens
from dltk_runtime.server.tokens import token_matches

COOKIE = "dltk_session"
ADMIN_RIGHTS = CHANGE_RIGHTS | {Right.APPLY}  # of a session: who changes models here may try them before
SESSION_SECONDS = 12 * 3600
MAX_WRONG = 5  # tokens of one address …
WRONG_SECONDS = 60.0  # … in this time
MAX_ADDRESSES = 10_000  # with wrong tokens, that are remembered
MAX_COOKIE = 2048  # characters
HASHED = "sha256:"  # how a token begins that is given as a hash


class Session(msgspec.Struct, frozen=True):
    """What the cookie of a browser that is signed in says.

    Attributes:
        token: name of the token that it was signed in with.
        mark: hash of a named token; empty for the container's own.
        person: name that the person gave, or that a proxy says.
        until: end, in epoch seconds.
    """

    id: str
    token: str
    mark: str
    person: str
    until: float


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in now: the session, and what its token may do now."""

    session: Session
    holder: Holder

    @property
    def actor(self) -> Actor:
        """Who it is, for histories and events."""
        return Actor(owner=self.holder.name, person=self.session.person)

    @property
    def may_promote(self) -> bool:
        """Whether it may make versions current and roll back."""
        return self.holder.may(Right.PROMOTE)

    @property
    def may_apply(self) -> bool:
        """Whether it may try models."""
        return self.holder.may(Right.APPLY)

    @property
    def may_cancel(self) -> bool:
        """Whether it may end jobs and delete models."""
        return self.holder.may(Right.ADMIN)

    @property
    def by_proxy(self) -> bool:
        """Whether a proxy has signed it in, so that it cannot sign out here."""
        return self.holder.name == PROXY


@dataclass(eq=False)
class Sessions:
    """The sessions of one server; `signed_out` is a folder on the volume."""

    tokens: Tokens
    signed_out: Path
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._random = secrets.token_bytes(32)

    @property
    def alone(self) -> bool:
        """Whether there is no token but that of Splunk, which then counts, for reading alone."""
        return not self.tokens.admins and not self.tokens.named

    def begin(self, token: str, person: str = "") -> str:
        """Return the cookie of a new session, or "" for a token that may not see the pages."""
        mark = hash_of(token)
        if (holder := self.tokens.named.with_mark(mark)) is not None:
            return self._cookie(holder.name, mark, person) if holder.may(Right.READ) else ""
        own = [token_matches(token, each) for each in (self.tokens.users if self.alone else self.tokens.admins)]
        return self._cookie(API_NAME if self.alone else ADMIN_NAME, "", person) if any(own) else ""

    def visitor(self, cookie: str) -> Visitor | None:
        """Return who is signed in with a cookie, and may see the pages."""
        session = self.read(cookie)
        holder = self._holder(session) if session is not None else None
        return Visitor(session, holder) if session and holder and holder.may(Right.READ) else None

    def proxied(self, request: Request) -> Visitor | None:
        """Return who a trusted proxy has signed in."""
        if not (person := self.tokens.proxies.person(request)):
            return None
        session = Session(hash_of(person), PROXY, "", person, math.inf)
        return Visitor(session, self.tokens.proxies.holder)

    def _holder(self, session: Session) -> Holder | None:
        if session.mark:
            return self.tokens.named.with_mark(session.mark)
        if session.token == ADMIN_NAME:
            return Holder(ADMIN_NAME, ADMIN_RIGHTS) if self.tokens.admins else None
        return Holder(API_NAME, frozenset({Right.READ})) if self.alone else None

    def _cookie(self, token: str, mark: str, person: str) -> str:
        name = one_line(person, MAX_PERSON_CHARACTERS)
        session = Session(secrets.token_hex(16), token, mark, name, self.clock() + SESSION_SECONDS)
        body = urlsafe_b64encode(msgspec.json.encode(session)).decode()
        return f"{body}.{self._signature('session', body)}"

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie that is ours, in force and not signed out."""
        body, _, signature = cookie.partition(".")
        if len(cookie) > MAX_COOKIE or not hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._signature("session", body).encode()
        ):
            return None
        try:
            session = decoded(urlsafe_b64decode(body), Session)
        except (ValueError, msgspec.DecodeError):
            return None
        return None if session.until < self.clock() or self._ended(session) else session

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether the headers of a request, in lower case, carry a session's cookie."""
        cookies = [value.decode("latin-1") for name, value in headers if name == b"cookie"]
        parts = (part.strip().partition("=") for cookie in cookies[:1] for part in cookie.split(";")[:32])
        return any(self.visitor(value) is not None for name, _, value in parts if name == COOKIE)

    def end(self, session: Session) -> None:
        """Sign out, on every replica; remove the notes of sessions that have ended by themselves."""
        self.signed_out.mkdir(parents=True, exist_ok=True)
        now = self.clock()
        for note in self.signed_out.iterdir():
            if note.stat().st_mtime + SESSION_SECONDS < now:
                note.unlink(missing_ok=True)
        (self.signed_out / session.id).touch()

    def form_token(self, session: Session) -> str:
        """Return the value that a form must send, so that another site cannot send it."""
        return self._signature("form", session.id)

    def is_form_of(self, session: Session, value: str) -> bool:
        """Return whether a form was made for this session."""
        return hmac.compare_digest(value.encode("utf-8", "replace"), self.form_token(session).encode())

    def _ended(self, session: Session) -> bool:
        return not session.id.isalnum() or (self.signed_out / session.id).exists()

    def _signature(self, use: str, text: str) -> str:
        return hmac.new(self._key(), f"{use}:{text}".encode(), hashlib.sha256).hexdigest()

    def _key(self) -> bytes:
        """Derive the key from the tokens that count now: extract and expand, one block.

        It is a random one where whoever has the search head's token could derive it, and sign in with
        more rights: the token that may change most is a hash, or one of the file of named tokens.
        """
        now = [group[0] for group in (self.tokens.users, self.tokens.admins) if group]
        known = [token for token in now if not token.startswith(HASHED)]
        by_name_alone = bool(self.tokens.named) and not self.tokens.admins
        if not known or now[-1].startswith(HASHED) or by_name_alone:
            return self._random
        extracted = hmac.new(b"dltk console", "\0".join(known).encode(), hashlib.sha256).digest()
        return hmac.new(extracted, b"session\x01", hashlib.sha256).digest()


class Throttle:
    """Slows down who sends wrong tokens: `MAX_WRONG` in `WRONG_SECONDS` from one address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._wrong: dict[str, deque[float]] = {}
        self._clock = clock

    def wait(self, address: str) -> float:
        """Return the seconds until the next attempt of an address counts."""
        times = self._wrong.get(address, deque())
        while times and times[0] + WRONG_SECONDS < self._clock():
            times.popleft()
        return times[0] + WRONG_SECONDS - self._clock() if len(times) >= MAX_WRONG else 0.0

    def wrong(self, address: str) -> None:
        """Note a wrong token."""
        if address not in self._wrong and len(self._wrong) >= MAX_ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        self._wrong.setdefault(address, deque(maxlen=MAX_WRONG)).append(self._clock())
