"""Hand secrets to a process by a memory file, so that no environment, command line or disk has them.

::

    container/start.py ── give(…) ── memfd ── s6 ──→ the API process ── take(…)
    server ── splunk.access.sealed(…) ── memfd ──→ workers and kernels

What a process reads from its environment at its start stays readable in ``/proc/PID/environ`` for
every process of the same user, whatever it removes from it later. `hide` prevents that for a
process that already runs.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import msgspec

DESCRIPTOR = "DLTK_SECRETS_FD"  # variable with the descriptor of `give`'s memory file
PR_SET_DUMPABLE = 4  # linux/prctl.h
_NAME = "dltk-secrets"
_MAX_BYTES = 4 * 1024**2  # of a memory file; Linux allows an environment of 2 MiB and less
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_secrets = msgspec.json.Decoder(dict[str, str])


def create(name: str, content: bytes, *, seal: bool = True) -> int:
    """Create a memory file with `content`; return its descriptor, which a program does not inherit.

    With `seal` nobody can change it; without, `take` empties it.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    if seal:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


def read(name: str, descriptor: str) -> bytes | None:
    """Read the memory file `name`; None where the descriptor is closed or is another file."""
    try:
        if name not in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            return None
        return os.pread(int(descriptor), _MAX_BYTES, 0)
    except (OSError, ValueError):
        return None


def give(secrets: Mapping[str, str], *, once: bool = False) -> int:
    """Create the memory file that `take` reads, by its first reader alone with `once`."""
    return create(_NAME, msgspec.json.encode(secrets), seal=not once)


def take(environ: MutableMapping[str, str], *, once: bool = False) -> dict[str, str]:
    """Return the secrets that this process was given; none if it was given no memory file.

    The variable is removed from `environ`, and no program inherits the descriptor any more. With
    `once` the file is emptied, also for every other process that holds it.
    """
    descriptor = environ.pop(DESCRIPTOR, "")
    if (content := read(_NAME, descriptor)) is None:
        return {}
    os.set_inheritable(int(descriptor), False)
    if once:
        os.ftruncate(int(descriptor), 0)
        os.close(int(descriptor))
    return _secrets.decode(content) if content else {}


def hide() -> None:
    """Keep the same user's processes, such as notebooks, from reading this one's environment.

    A process that is not dumpable belongs to root in /proc (proc(5)). Notebooks that run as root
    can still read it. A program that it executes is dumpable again.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0)
