"""Write files so that readers see the old or the new one, also after a kill or a power failure.

The runtime replaces every file that another process may read with `write`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from dltk_runtime.errors import NotStored
from dltk_runtime.units import MIB

TEMPORARY_SUFFIX = ".tmp"  # of a file's name while it is being written
# How files of ours are opened: a pipe in the place of one is not waited for, and a link not followed. Notebooks can
# make both, and may not read all that this process can.
AS_OURS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
MAX_SHORT_BYTES = 64  # that `read_short` reads
MAX_RECORD_BYTES = 256 * MIB  # of a file of ours but rows; one of a terabyte takes no space, and all memory
_NOT_PERMITTED_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_SPACE_ERRNOS = {errno.ENOSPC, errno.EDQUOT}
_NO_LINK_ERRNOS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EMLINK}
_NO_FOLDER_SYNC_ERRNOS = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def write(path: Path, data: bytes | memoryview, *, durable: bool = True, through: Path | None = None) -> None:
    """Replace `path` by `data` in one step; `durable` makes it outlive a power failure.

    Args:
        path: of the file.
        data: its new content.
        durable: whether to wait for the disk.
        through: folder on the same disk for the temporary file; default: the file's own. Nothing
            is replaced once that folder has gone or has another name.

    Raises:
        OSError: it cannot be written; then `path` is as it was.
    """
    # Not mkstemp, whose files only their owner can read: replicas may run as other users.
    temporary = (through or path.parent) / f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        with temporary.open("xb", buffering=0) as file:
            write_all(file.fileno(), data)
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def create(path: Path, data: bytes) -> bool:
    """Write `path` unless it exists, in one step; return whether it was written.

    On a disk without hard links readers may see it empty for a moment.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        _write_new(temporary, data)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINK_ERRNOS:
                raise
            _write_new(path, data)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    sync_folder(path.parent)
    return True


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb", buffering=0) as file:
        write_all(file.fileno(), data)
        os.fsync(file.fileno())


def copy(source: Path, target: Path) -> Path:
    """Copy a file's content; readers never see a part of `target`. Makes its folders.

    Raises:
        OSError: it cannot be copied.
    """
    with source.open("rb") as file:
        return copy_open(file, target)


def copy_open(source: IO[bytes], target: Path) -> Path:
    """Copy an open file, as `copy` does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("xb") as copied:
            shutil.copyfileobj(source, copied)
        return temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path | str, limit: int | None = MAX_RECORD_BYTES) -> bytes:
    """Return the content of a file of ours.

    Raises:
        OSError: it cannot be read, is a link or no regular file, or has more bytes than `limit`.
    """
    descriptor = os.open(path, os.O_RDONLY | AS_OURS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if limit is not None and status.st_size > limit:
            raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def opened(path: Path, mode: str) -> IO[bytes]:
    """Open a file of ours, which the caller closes.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    return open(path, mode, opener=_as_ours)


def _as_ours(path: str, flags: int) -> int:
    return os.open(path, flags | AS_OURS, 0o666)


def read_short(path: Path) -> bytes:
    """Return the content of a file of at most `MAX_SHORT_BYTES`, in three system calls.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | AS_OURS)
    try:
        return os.read(descriptor, MAX_SHORT_BYTES)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`, which a single call need not do."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(path: Path) -> None:
    """Make a file that was written with ``durable=False`` outlive a power failure.

    Raises:
        OSError: it is gone, or the disk fails.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network disks lack this call, and need none
        if error.errno not in _NO_FOLDER_SYNC_ERRNOS:
            raise
    finally:
        os.close(descriptor)


def sync_and_hash(path: Path) -> tuple[int, str]:
    """Wait until the disk has the file's content; return its size in bytes and its SHA-256."""
    with open(path, "rb", opener=_as_ours) as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def regular_files(folder: Path) -> Iterator[Path]:
    """Yield every file below `folder`, sorted; no sockets, pipes or dangling links."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(parent, name)).is_file())


def names_in(folder: Path) -> list[str]:
    """Return the names of the entries of `folder`; none when it does not exist."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - callers want names, not a Path for each
    except (FileNotFoundError, NotADirectoryError):
        return []


def to_json(value: Any) -> bytes:
    """Return `value` (builtins or msgspec structs) as indented JSON that is always UTF-8.

    Half a surrogate pair, which a hostile request can have in any text, becomes a question mark.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(without_surrogates(msgspec.to_builtins(value)))
    return msgspec.json.format(encoded, indent=1) + b"\n"


def without_surrogates(value: Any) -> Any:
    """Return builtins with question marks in place of unpaired surrogates in their texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_surrogates(each) for each in value]
    return value


def not_stored(what: str, path: Path, error: OSError) -> NotStored:
    """Return the error for `what` (the subject of its sentence) not being written to `path`."""
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
    return NotStored(f"{what} could not be written to {path}: {reason}{where}; {_free(path)}. {_advice(error)}")


def _free(path: Path) -> str:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return f"{shutil.disk_usage(existing).free:,} bytes are free there"


def _advice(error: OSError) -> str:
    if error.errno in _NOT_PERMITTED_ERRNOS:
        user = f"user {os.geteuid()} or group {os.getegid()}"
        return f"Make the folder writable for {user}, or set DLTK_HOME to one that is."
    if error.errno in _NO_SPACE_ERRNOS:
        return "Free space, for example with 'dltk models prune', or give DLTK_HOME a larger volume."
    return "Check the volume that DLTK_HOME names."
