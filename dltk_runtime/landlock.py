"""Keep this process and all that it starts from reading or changing some files, by Linux's Landlock.

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
READ_ONLY_VARIABLE = "DLTK_READ_ONLY"  # paths that may be read, and not changed
MIN_ABI = 2  # the first in which a file can be renamed from one folder to another
# The same numbers on every processor (linux/landlock.h, asm-generic/unistd.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GIVE_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 2, 1 << 13, 1 << 14
_MAKE_AND_REMOVE = 0b1_1111_1111 << 4  # folders, files, links, sockets, pipes, devices
_TRUNCATE_ABI = 3  # the first that knows _TRUNCATE; a file cannot be opened for writing in any
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
    return _restrict(paths, _READ_FILE, _READ_FILE)


def protect(paths: Iterable[str | Path]) -> bool:
    """Keep this thread and all that it starts from changing `paths` and what is below; return whether they are.

    Files there can be read. Nothing can be made directly in a folder above. Times and permissions are not
    kept. Call it before another thread starts.
    """
    to_files = _WRITE_FILE | (_TRUNCATE if abi() >= _TRUNCATE_ABI else 0)
    return _restrict(paths, to_files | _MAKE_AND_REMOVE, to_files)


def _restrict(paths: Iterable[str | Path], access: int, to_files: int) -> bool:
    """Refuse `access` to paths; `to_files` is the part of it that there is for a file."""
    refused = {Path(path).resolve() for path in paths if Path(path).exists()}
    if not refused or absence():
        return False
    ruleset = _ruleset(access)
    try:
        _allow(ruleset, Path("/"), _REFER)
        for path in _allowed(refused):
            _allow(ruleset, path, access if path.is_dir() else to_files)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _ruleset(access: int) -> int:
    handled = struct.pack("=Q", access | _REFER)
    ruleset = int(_libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    return ruleset


def _allowed(refused: set[Path]) -> Iterator[Path]:
    """Yield what is allowed: each entry beside the refused paths and beside the folders above them."""
    above = {folder for path in refused for folder in path.parents}
    for folder in above:
        with contextlib.suppress(OSError):  # a folder that this user may not list
            for entry in os.scandir(folder):
                path = Path(entry.path)
                # A link's target is allowed, or refused, at its own place.
                if path not in refused and path not in above and not entry.is_symlink():
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
