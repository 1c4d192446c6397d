"""Keep this process and all that it starts from reading some files, by Linux's Landlock.

Landlock knows no prohibitions: what is not allowed is refused. So everything is allowed but the
folders above a hidden path, and in these every entry but the hidden one::

    hidden: /srv/tls                allowed: /bin, /dev, /etc, … and /srv/app, /srv/jobs, …

An entry that is made later directly in ``/`` or ``/srv`` can be written, and not be read. Another
process's memory and descriptors are out of reach, too, those of children excepted.

``python -m dltk_runtime.landlock COMMAND…`` starts a command so; `VARIABLE` names the paths.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

VARIABLE = "DLTK_HIDDEN"  # paths, separated as in PATH
MIN_ABI = 2  # the first in which a file can be renamed from one folder to another
# The same numbers on every processor (linux/landlock.h, asm-generic/unistd.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GIVE_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _REFER = 1 << 2, 1 << 13
PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Return the version of Landlock that the kernel has; 0 for none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _GIVE_VERSION)))


def absence() -> str:
    """Return why files cannot be hidden here; an empty text if they can."""
    found = abi()
    if found == 0:
        return "this kernel has no Landlock, or the container's seccomp profile refuses it"
    return "" if found >= MIN_ABI else f"this kernel's Landlock (version {found}) is too old; 2 is needed, Linux 5.19"


def hide(paths: Iterable[str | Path]) -> bool:
    """Keep this thread and all that it starts from reading `paths`; return whether they are.

    Paths that do not exist are left out. Call it before another thread starts.
    """
    hidden = {Path(path).resolve() for path in paths if Path(path).exists()}
    if not hidden or absence():
        return False
    ruleset = _ruleset()
    try:
        _allow(ruleset, Path("/"), _REFER)
        for path in _allowed(hidden):
            _allow(ruleset, path, _READ_FILE)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _ruleset() -> int:
    handled = struct.pack("=Q", _READ_FILE | _REFER)
    ruleset = int(_libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    return ruleset


def _allowed(hidden: set[Path]) -> Iterator[Path]:
    """Yield what may be read: each entry beside the hidden paths and beside the folders above them."""
    above = {folder for path in hidden for folder in path.parents}
    for folder in above:
        with contextlib.suppress(OSError):  # a folder that this user may not list
            for entry in os.scandir(folder):
                path = Path(entry.path)
                # A link's target is allowed, or hidden, at its own place.
                if path not in hidden and path not in above and not entry.is_symlink():
                    yield path


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # it has gone
        return
    try:
        rule = struct.pack("=Qi", access, descriptor)
        if _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) and ctypes.get_errno() != errno.EBADFD:
            raise OSError(ctypes.get_errno(), "landlock_add_rule", str(path))
    finally:
        os.close(descriptor)


def main(command: list[str]) -> None:
    """Replace this process by `command`, which cannot read the paths that the variable names."""
    hide(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))
    os.execvp(command[0], command)  # noqa: S606 - the command that was given


if __name__ == "__main__":
    main(sys.argv[1:])
