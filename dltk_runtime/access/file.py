"""The file of named tokens, JSON::

    {"tokens": [{"name": "dashboards",
                 "values": [{"sha256": "9f86…", "made": "2026-01-31T08:00:00Z"}],
                 "rights": ["apply", "read"], "models": ["sales_*"],
                 "fits": 2, "queue": 10, "gpu_seconds": 3600, "disk": "20G"}]}

`values` are the SHA-256 of the token; two of them while it is being replaced. A bound that is left
out does not hold.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.access.errors import TokenExists, TokenInvalid, TokensDamaged, TokenUnknown
from dltk_runtime.access.holder import ALL_RIGHTS, Bounds, Holder, Right
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.files.state import FileState, read
from dltk_runtime.setting_types import as_bytes

TOKEN_BYTES = 32  # random, of a new token
OWN_NAMES = ("api_token", "DLTK_ADMIN_TOKEN")  # of the container's own tokens, in jobs and histories
PROXY_NAME = "proxy"  # in place of a token's, of what somebody did in the console whom a proxy signed in
RESERVED_NAMES = (*OWN_NAMES, PROXY_NAME)
MAX_NAME_CHARACTERS = 64
MAX_FILE_BYTES = 4 * 1024**2
_HASH_DIGITS = 64


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SHA-256 of one token, in hex, and when it was made (UTC)."""

    sha256: str
    made: datetime | None = None


class TokenEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One named token, as the file has it; see `Holder` and `Bounds`."""

    name: str
    values: list[Value]
    rights: list[Right]
    models: tuple[str, ...] = ("*",)
    fits: int | None = None
    queue: int | None = None
    gpu_seconds: float | None = None
    disk: int | str | None = None  # bytes, or a size such as 20G

    def holder(self) -> Holder:
        """Return the holder of this token.

        Raises:
            ValueError: saying what is wrong with the entry.
        """
        _check(self)
        rights = ALL_RIGHTS if Right.ADMIN in self.rights else frozenset(self.rights)
        disk = as_bytes(self.disk) if isinstance(self.disk, str) else self.disk
        return Holder(self.name, rights, self.models, Bounds(self.fits, self.queue, self.gpu_seconds, disk))


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: list[TokenEntry] = []


def load(file: Path) -> tuple[list[TokenEntry], FileState]:
    """Return the entries of the file, all of them valid, and the state in which it was read.

    Raises:
        TokensDamaged: naming what is wrong.
    """
    try:
        data, state = read(file)
        mode = file.stat().st_mode
    except OSError as error:
        hint = "make it with 'dltk tokens new NAME'" if isinstance(error, FileNotFoundError) else "check its rights"
        raise TokensDamaged(file, f"{error.strerror or error}; {hint}.") from error
    if mode & stat.S_IWOTH:
        raise TokensDamaged(file, "every user of the machine may write it; run chmod o-w on it.")
    return parse(data, file), state


def parse(data: bytes, file: Path) -> list[TokenEntry]:
    """Return the entries in the content of a file.

    Raises:
        TokensDamaged: naming what is wrong.
    """
    try:
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"it has more than {MAX_FILE_BYTES:,} bytes")
        entries = decoded(data, _Document).tokens
        for entry in entries:
            entry.holder()
        _check_unique(entries)
    except (ValueError, UnicodeDecodeError) as error:
        raise TokensDamaged(file, f"{str(error).rstrip('.')}.") from error
    return entries


def add(file: Path, entry: TokenEntry, *, rotate: bool = False) -> str:
    """Add a token to the file, which is made if need be; return the token, which is kept nowhere.

    With `rotate` the entry of this name gets a second value, and stays as it is otherwise.

    Raises:
        TokenExists, TokenUnknown: there is one of this name, or with `rotate` none.
        TokenInvalid: the entry is.
        TokensDamaged: the file cannot be used.
        OSError: it cannot be written.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    value = Value(hash_of(token), datetime.now(UTC).replace(microsecond=0))
    if not rotate:
        _check_new(msgspec.structs.replace(entry, values=[value]))
        file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file):
        entries = load(file)[0] if file.exists() else []
        known = next((each for each in entries if each.name == entry.name), None)
        if known is not None and not rotate:
            raise TokenExists(entry.name)
        if known is None and rotate:
            raise TokenUnknown(entry.name, _names(entries))
        new = msgspec.structs.replace(known or entry, values=[*(known.values if known else []), value])
        _write(file, [*(each for each in entries if each is not known), new])
    return token


def remove(file: Path, name: str, *, old: bool = False) -> int:
    """Remove a token, or with `old` all its values but the newest; return how many values went.

    Raises:
        TokenUnknown: there is none of this name.
        TokensDamaged: the file cannot be used.
        OSError: it cannot be written.
    """
    with _alone(file):
        entries = load(file)[0]
        known = next((each for each in entries if each.name == name), None)
        if known is None:
            raise TokenUnknown(name, _names(entries))
        kept = known.values[-1:] if old else []
        rest = [each for each in entries if each is not known]
        _write(file, [*rest, msgspec.structs.replace(known, values=kept)] if kept else rest)
    return len(known.values) - len(kept)


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let no other command change the file meanwhile, where it has a folder, and the file system knows locks."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            folder = os.open(file.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield


def _write(file: Path, entries: Sequence[TokenEntry]) -> None:
    """Replace the file in one step, or the one that a link leads to; only its owner may read it, or whoever could."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    text = msgspec.json.format(msgspec.json.encode(_Document(ordered)), indent=2) + b"\n"
    parse(text, file)
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
    before = os.umask(0o777 & ~mode)
    try:
        atomic.write(file.resolve(), text)
    finally:
        os.umask(before)


def _check_new(entry: TokenEntry) -> None:
    """Raise `TokenInvalid` where an entry is none."""
    try:
        entry.holder()
    except ValueError as error:
        raise TokenInvalid(str(error)) from error


def _check(entry: TokenEntry) -> None:
    name, plain = entry.name, entry.name.replace("-", "").replace("_", "").replace(".", "")
    if not (name.isascii() and plain.isalnum() and len(name) <= MAX_NAME_CHARACTERS) or name in RESERVED_NAMES:
        raise ValueError(
            f"the name {name[:MAX_NAME_CHARACTERS]!r} is no name of a token: letters, digits, '-', '_' and '.', "
            f"{MAX_NAME_CHARACTERS} at most, and none of {', '.join(RESERVED_NAMES)}"
        )
    if not entry.values or not all(_is_hash(each.sha256) for each in entry.values):
        raise ValueError(f"the token {name!r} needs values, each with a sha256 of {_HASH_DIGITS} hexadecimal digits")
    if not entry.models or not all(entry.models):
        raise ValueError(f"the token {name!r} needs models, such as '*'")
    numbers = (entry.fits, entry.queue, entry.gpu_seconds, entry.disk if isinstance(entry.disk, int) else None)
    if not all(number is None or 0 <= number < math.inf for number in numbers):  # JSON would have no bound for nan
        raise ValueError(f"a bound of the token {name!r} is below 0, or no number")
    if isinstance(entry.disk, str):
        try:
            as_bytes(entry.disk)
        except ValueError:
            raise ValueError(f"disk of the token {name!r} is no size such as 20G") from None


def _is_hash(text: str) -> bool:
    return len(text) == _HASH_DIGITS and set(text) <= set("0123456789abcdef")


def _check_unique(entries: Sequence[TokenEntry]) -> None:
    names = [each.name for each in entries]
    hashes = [value.sha256 for each in entries for value in each.values]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the name {twice!r} comes twice")
    if len(set(hashes)) < len(hashes):
        raise ValueError("a sha256 comes twice")


def _names(entries: Sequence[TokenEntry]) -> str:
    return ", ".join(sorted(each.name for each in entries))
