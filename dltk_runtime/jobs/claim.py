"""The right to run an asynchronous job: of all servers that share a volume, one at most has it.

It is a folder in the job's folder, which gets another name at each change of hands::

    free-0 ──claim──> owned-1-… ──give back──> free-2 ──claim──> owned-3-…
                                                                    │ its server ended
                                                                    └──claim──> owned-5-…

Of several servers that rename it, one succeeds. The owner writes the record through this folder:
the new text is written into it and renamed from there. So once the folder has another name, nothing
of the former owner reaches the record, even if it was only suspended and goes on later.

An owner also locks the file `claim`. The kernel releases the lock when the owner ends, however it
ends; so another server on the same machine takes the job at once. A volume may not pass locks on to
other machines, and an owner may hang: then a server waits until the job was not touched for a while.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

from dltk_runtime.files import atomic

LOCK = "claim"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_CHARACTERS = 12  # of the boot id, which are in the folder's name
FREE, OWNED = "free", "owned"
_TURN = re.compile(r"(free|owned)-([0-9]{1,18})(?:-([0-9a-f]+))?", re.ASCII)


class ClaimLost(Exception):
    """Another server has the job now."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Who has a job: the name of the folder, its number, and its owner's machine, if any."""

    name: str
    number: int
    owned: bool
    machine: str


class _Lock(Enum):
    """Who has the lock on the file `claim`."""

    OURS = "ours"
    OTHERS = "others"
    UNKNOWN = "unknown"  # the volume has no locks


class JobClaim:
    """The right to run a job, as long as the folder has the name that it got with this claim."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self._job = folder
        self._folder = folder / name
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path, is_abandoned: Callable[[], bool]) -> Self | None:
        """Claim the job in `folder`; None when a server has it that may be alive.

        `is_abandoned` says whether the job was untouched for so long that a server on another
        machine counts as ended.

        Raises:
            OSError: the folder cannot be written.
        """
        descriptor, lock = _lock(folder / LOCK)
        try:
            name = _renamed(folder, is_abandoned, descriptor, lock)
            if name is not None and lock is _Lock.OTHERS:  # of a process that hangs
                descriptor = _replaced(folder / LOCK, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if name is None:
            os.close(descriptor)
            return None
        return cls(folder, name, descriptor)

    def write(self, path: Path, data: bytes, *, durable: bool) -> None:
        """Replace a file of the job, unless another server has it now.

        Raises:
            ClaimLost: another server has the job.
            OSError: it cannot be written.
        """
        try:
            atomic.write(path, data, durable=durable, through=self._folder)
        except FileNotFoundError as error:
            if not self._folder.exists():
                raise ClaimLost from error
            raise

    def touch(self) -> None:
        """Find out whether this server still has the job.

        Raises:
            ClaimLost: another server has it.
            OSError: the volume does not answer.
        """
        try:
            os.utime(self._folder)
        except FileNotFoundError as error:
            raise ClaimLost from error

    def give_back(self) -> None:
        """Let any server claim the job; nothing when another one has it."""
        number = _turn_of(self._folder.name).number + 1
        with suppress(OSError):  # then it counts as abandoned soon
            self._folder.rename(self._job / f"{FREE}-{number}")
        self.drop()

    def drop(self) -> None:
        """Release the lock. A job that has not ended then counts as abandoned."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def offer(folder: Path) -> None:
    """Let any server claim the new job in `folder`.

    Raises:
        OSError: it cannot be written.
    """
    (folder / f"{FREE}-0").mkdir()


@functools.cache
def machine() -> str:
    """Return what tells this machine, as started now, from others: its locks are known to all its processes."""
    try:
        text = BOOT_ID.read_text()
    except OSError:
        text = socket.gethostname().encode().hex()
    return text.replace("-", "").strip()[:MACHINE_CHARACTERS]


def _lock(path: Path) -> tuple[int, _Lock]:
    """Open the file of the lock and lock it, if possible.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | atomic.AS_OURS, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return descriptor, _Lock.OTHERS
    except OSError:
        return descriptor, _Lock.UNKNOWN
    return descriptor, _Lock.OURS


def _replaced(path: Path, descriptor: int) -> int:
    """Put a new file, which this process has locked, in place of one that a hanging process has locked."""
    with suppress(OSError):
        temporary = path.with_name(f".{LOCK}.{secrets.token_hex(8)}{atomic.TEMPORARY_SUFFIX}")
        new, _ = _lock(temporary)
        os.close(descriptor)
        descriptor = new
        temporary.replace(path)
    return descriptor


def _renamed(folder: Path, is_abandoned: Callable[[], bool], descriptor: int, lock: _Lock) -> str | None:
    """Give the folder of a claim the name of a new owner; None if that is not possible."""
    turn = _turn(folder)
    if lock is _Lock.OTHERS and not is_abandoned():
        return None
    if turn is None:
        return _made(folder, is_abandoned, descriptor)
    ended = lock is _Lock.OURS and turn.machine == machine()
    if turn.owned and not ended and not is_abandoned():
        return None
    name = f"{OWNED}-{turn.number + (2 if turn.owned else 1)}-{machine()}"
    try:
        (folder / turn.name).rename(folder / name)
    except FileNotFoundError:  # another server was faster
        return None
    return name


def _made(folder: Path, is_abandoned: Callable[[], bool], lock: int) -> str | None:
    """Make the folder of a claim in a job of runtime 0.1.0, whose owner wrote its host into the lock."""
    owner = os.pread(lock, 256, 0).decode("utf-8", "replace")
    if owner not in ("", socket.gethostname()) and not is_abandoned():
        return None
    first = folder / f"{OWNED}-1"
    try:
        first.mkdir()
    except FileExistsError:
        return None
    name = f"{OWNED}-3-{machine()}"
    if _turns(folder) != [OWNED + "-1"]:  # another server had made it, and claimed the job since
        first.rmdir()
        return None
    try:
        first.rename(folder / name)
    except FileNotFoundError:
        return None
    return name


def _turn(folder: Path) -> _Turn | None:
    turns = [_turn_of(name) for name in _turns(folder)]
    return max(turns, key=lambda each: each.number, default=None)


def _turns(folder: Path) -> list[str]:
    return list(filter(_TURN.fullmatch, atomic.names_in(folder)))


def _turn_of(name: str) -> _Turn:
    found = _TURN.fullmatch(name)
    if found is None:
        raise ValueError(name)
    return _Turn(name, int(found[2]), found[1] == OWNED, found[3] or "")
