"""Where the files of models are below the models' folder.

::

    umap_default.json       of an old volume: what a DSDL container saved; version 0
    versions/.store         the identity of this store: it shows whether the volume is still there
    versions/umap/default/
        current             "3": the version that apply uses
        code-choice             "pinned" or "live": the code that apply runs; without it a setting decides
        promoted            the promotions, one line each: `history`
        history             who did what, and why, one line each: `deeds`
        reserved-7          the highest number given out; it stays, so that no number is used twice
        3/                  a version: complete, since its manifest exists
            umap_default.json   what the notebook's save wrote
            code.json           the notebook and its helpers, as they were
            summary.json        str(model) and its summary
            card.json           what is known of the version at its fit: `card`
            rows.bloom          which rows the fit has seen: `worker.seen`
            pictures/           what the fit drew: copied to /graphics by each promotion
            version.json        the manifest, written last; it never changes
            undecided           from the commit until its fit has promoted it or kept it back
            later               figures measured after the fit, and
            notices             what its fit has found out since: lines that are appended
            used                its time: when it last answered though another one is current
        7/                  a fit is running, or was killed: no manifest
        removed-2/          being removed: no longer a version

Every apply and every list asks for these paths. They are cached, because pathlib takes longer to
join them than the system to open the files.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.files import atomic, records
from dltk_runtime.names import ModelName, VersionId

IDENTITY = ".store"
CURRENT = "current"
PROMOTED = "promoted"
HISTORY = "history"
MANIFEST = "version.json"
CODE = "code.json"
DESCRIPTION = "summary.json"
CARD = "card.json"
KEPT_MODEL = "model.cloudpickle"
SEEN = "rows.bloom"
PICTURES = "pictures"
LATER = "later"
USED = "used"
NOTICES = "notices"
OURS = frozenset(
    {CARD, CODE, DESCRIPTION, KEPT_MODEL, MANIFEST, SEEN}
)  # a notebook's files contain a "_": none has such a name
CODE_CHOICE = "code-choice"
UNDECIDED = "undecided"
REMOVED_PREFIX = "removed-"
RESERVED_PREFIX = "reserved-"
MAX_VERSIONS = 2**14  # of which paths and briefs are kept in memory; about 2 kB each
MAX_NUMBER_DIGITS = records.MAX_NUMBER_DIGITS
_NUMBER = re.compile(rf"[1-9][0-9]{{0,{MAX_NUMBER_DIGITS - 1}}}", re.ASCII)
_NUMBERED = re.compile(rf"(?:{RESERVED_PREFIX}|{REMOVED_PREFIX})?({_NUMBER.pattern})", re.ASCII)


def load_name(version_id: VersionId) -> str:
    """Return the argument of `save` and `load`, relative to the models' folder."""
    if version_id.number == 0:
        return version_id.name.legacy
    name = version_id.name
    return f"versions/{name.folder}/{name.model}/{version_id.number}/{name.file}"


@functools.lru_cache(maxsize=MAX_VERSIONS)
def model_folder(versions: Path, name: ModelName) -> Path:
    """Return the folder of a model's versions."""
    return versions / name.folder / name.model


@functools.lru_cache(maxsize=MAX_VERSIONS)
def current_file(versions: Path, name: ModelName) -> Path:
    """Return the file that names the version which apply uses."""
    return model_folder(versions, name) / CURRENT


def current_number(versions: Path, name: ModelName) -> int | None:
    """Return the number in the file `current`; None when there is no such file.

    Raises:
        StoreDamaged: it cannot be read, or holds no number.
    """
    path = current_file(versions, name)
    try:
        text = atomic.read_short(path).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreDamaged(f"{path} cannot be read: {error.strerror}. Check the volume and its permissions.") from error
    if not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise StoreDamaged(f"{path} is damaged: it holds no version number.")
    return int(text)


# ------------------------------------------------------------ entries of folders


def names(versions: Path, model: str | None = None) -> Iterator[ModelName]:
    """Yield the models that have a folder, sorted; only those called `model`, if given."""
    for algorithm in _folders(versions):
        for folder in _folders(f"{versions}/{algorithm}") if model is None else [model]:
            with suppress(NameInvalid):  # lost+found and other folders that are not ours
                if model is None or os.path.isdir(f"{versions}/{algorithm}/{folder}"):  # noqa: PTH112 - as below
                    yield ModelName.of_folder(algorithm, folder)


def committed(folder: Path) -> list[int]:
    """Return the numbers of the committed versions in a model's folder, ascending.

    One whose folder cannot be read counts: it is damaged, not absent.

    Raises:
        StoreDamaged: the model's folder cannot be read.
    """
    return [number for number in numbers(folder) if _is_committed(folder, number)]


def newest(folder: Path) -> int | None:
    """Return the highest number of a committed version in a model's folder; None without one.

    Raises:
        StoreDamaged: as `committed`.
    """
    return next((number for number in reversed(numbers(folder)) if _is_committed(folder, number)), None)


def numbers(folder: Path) -> list[int]:
    """Return the numbers of versions and of reservations in a model's folder, ascending. Raises as `committed`."""
    return sorted(int(name) for name in listed(folder) if _NUMBER.fullmatch(name))


def _is_committed(folder: Path, number: int) -> bool:
    return _may_exist(f"{folder}/{number}/{MANIFEST}")  # without a Path for each: /metrics counts thousands


def listed(folder: Path) -> list[str]:
    """Return the names of a folder's entries; none when it does not exist.

    Raises:
        StoreDamaged: it cannot be read.
    """
    try:
        return atomic.names_in(folder)
    except OSError as error:
        raise StoreDamaged(
            f"{folder} cannot be read: {error.strerror}. Check the volume and its permissions."
        ) from error


def _may_exist(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def highest(folder: Path) -> int:
    """Return the highest number in a model's folder: versions, reserved and removed ones."""
    return max(map(number_in, atomic.names_in(folder)), default=0)


def number_in(entry: str) -> int:
    """Return the number in an entry's name: 7 for ``7`` and ``reserved-7``, else 0."""
    found = _NUMBERED.fullmatch(entry)
    return int(found[1]) if found else 0


def _folders(folder: Path | str) -> list[str]:
    """Return the names of the folders in a folder, sorted; none when it cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_folder(entry))
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False


# ------------------------------------------------------------ an old volume


def legacy_time(models: Path, name: ModelName) -> float | None:
    """Return when the model's files of an old volume changed last; None without any.

    In seconds since the epoch. ``umap_a`` and ``umap_a.json`` belong to the model ``a``;
    ``umap_a_b.json`` is taken for a file of the model ``a_b``.
    """
    times = []
    for entry in listed(models):
        if is_of(entry, name.legacy):
            with suppress(OSError):
                times.append((models / entry).lstat().st_mtime)
    return max(times, default=None)


def is_of(entry: str, flat_name: str) -> bool:
    """Return whether a file of an old volume is one of the model with this flat name."""
    following = entry[len(flat_name) : len(flat_name) + 1]
    return entry.startswith(flat_name) and not following.isalnum() and following != "_"
