"""The tokens that count now: those in files are read again when the files change.

For `OVERLAP_SECONDS` after a change the token before it counts too, because Splunk and the
replicas learn the new one at different moments. A file that is missing, empty or invalid changes
nothing: the token before it counts on, a log line and a metric say so. So it is with the file of
named tokens, which has no overlap: it holds two values of a name while one is being replaced.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dltk_runtime import logs
from dltk_runtime.access.file import OWN_NAMES
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.access.named import NamedTokens
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.server.proxy import Proxies
from dltk_runtime.server.tokens import SCHEMES, matches_any, only_header
from dltk_runtime.settings import VARIABLES, Settings, secret_in

CHECK_SECONDS = 2.0  # between two looks at the files
OVERLAP_SECONDS = 60.0
API, ADMIN = "api_token", "admin_token"  # fields of `Settings`
API_NAME, ADMIN_NAME = OWN_NAMES
CLIENT_RIGHTS = frozenset({Right.APPLY, Right.FIT, Right.READ})
CHANGE_RIGHTS = frozenset({Right.READ, Right.PROMOTE, Right.ADMIN})


class Tokens:
    """The tokens of one server. `files` are those of the settings that a ``_file`` variable names.

    Raises:
        TokensDamaged: the file of named tokens cannot be used.
    """

    def __init__(
        self, settings: Settings, files: Mapping[str, Path] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = {name: str(getattr(settings, name)) for name in (API, ADMIN)}
        self._before: dict[str, tuple[str, float]] = {}  # with the time until which it counts
        self._files = {name: file for name, file in (files or {}).items() if name in self._now}
        self._seen: dict[str, Stamp | None] = {}
        self._clock = clock
        self.named = NamedTokens(settings.tokens_file)
        self.proxies = Proxies.of(settings)
        self.unread: dict[str, bool] = dict.fromkeys(self._files, False)  # whether the file was refused

    @property
    def users(self) -> tuple[str, ...]:
        """The tokens of Splunk and other clients."""
        return self._of(API)

    @property
    def admins(self) -> tuple[str, ...]:
        """The tokens for changes; none if those of clients are enough."""
        return self._of(ADMIN)

    def holder(self, headers: Sequence[str]) -> Holder | None:
        """Return who holds the token in a request's only Authorization header; None for no token, or a wrong one."""
        header = only_header(headers)
        rights: frozenset[Right] = frozenset()
        if matches_any(header, self.users):
            rights |= CLIENT_RIGHTS if self.admins else CLIENT_RIGHTS | CHANGE_RIGHTS
        if matches_any(header, self.admins):
            rights |= CHANGE_RIGHTS
        return _own_holder(rights) if rights else self.named_holder(header)

    def named_holder(self, header: str) -> Holder | None:
        """Return who holds the named token in a header, alone or after a scheme."""
        if not header or not self.named:
            return None
        given = header.encode("utf-8", "surrogatepass")
        schemes = (scheme.encode() for scheme in SCHEMES)
        found = (self.named.find(given[len(each) :]) for each in schemes if given.startswith(each))
        return next((holder for holder in found if holder is not None), None)

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        while self._files or self.named.path:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take over the tokens in files that have changed."""
        self.named.look()
        for name, file in self._files.items():
            stamp = stamp_of(file)
            if name not in self._seen or self._seen[name] != stamp:
                self._seen[name] = stamp
                self._read(name, file)

    def _read(self, name: str, file: Path) -> None:
        variable = VARIABLES[name].name
        try:
            token = secret_in(name, file)
        except SettingInvalid as error:
            self.unread[name] = True
            logs.event("token not renewed", logging.WARNING, variable=variable, reason=error.sentence)
            return
        self.unread[name] = False
        if token != self._now[name]:
            self._before[name] = self._now[name], self._clock() + OVERLAP_SECONDS
            self._now[name] = token
            logs.event("token renewed", variable=variable, before_counts_seconds=OVERLAP_SECONDS)

    def _of(self, name: str) -> tuple[str, ...]:
        now = (self._now[name],) if self._now[name] else ()
        before, until = self._before.get(name, ("", 0.0))
        return (*now, before) if before and self._clock() < until else now


@functools.cache
def _own_holder(rights: frozenset[Right]) -> Holder:
    """Return the holder of one of the container's own tokens."""
    return Holder(API_NAME if Right.FIT in rights else ADMIN_NAME, rights)
