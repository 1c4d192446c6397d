"""Where what lies below the address of an object store.

::

    store                                the identity of this store
    names/default/umap                   a model that may have versions
    models/umap/default/
        current                          the current number, the last promotion, the choice of code: `pointer`
        promoted/…                       each promotion before that; the key holds all of it
        history/…                        who did what, one object each
        reserved/7                       the highest number given out, and lower ones for a moment
        manifests/7                      the manifest: version 7 is whole; empty: withdrawn or removed
        versions/7/files/…               what the manifest lists
        versions/7/pictures/…            what the fit drew
        versions/7/running               its time: when the fit last said that it runs
        versions/7/undecided, used       as `store.layout` says of the files
        versions/7/notices/…, later/…    one object each
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from dltk_runtime.names import ModelName, VersionId

STORE = "store"
IDENTITY_BYTES = 32  # hexadecimal digits
NAMES = "names"
NUMBER_DIGITS = 18  # so that keys sort as their numbers
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def is_identity(data: bytes) -> bool:
    """Return whether an object `STORE` holds an identity, which is a part of paths too."""
    return len(data) == IDENTITY_BYTES and data.isalnum()


def model(name: ModelName, part: str = "") -> str:
    """Return the key of a part of a model, or the prefix of all of it."""
    return f"models/{name.folder}/{name.model}" + (f"/{part}" if part else "")


def of_name(name: ModelName) -> str:
    """Return the key that says that there is such a model."""
    return f"{NAMES}/{name.model}/{name.folder}"


def manifest(version_id: VersionId) -> str:
    """Return the key of a version's manifest."""
    return model(version_id.name, f"manifests/{version_id.number:0{NUMBER_DIGITS}}")


def version(version_id: VersionId, part: str = "") -> str:
    """Return the key of a part of a version, or the prefix of all of it but the manifest."""
    return model(version_id.name, f"versions/{version_id.number:0{NUMBER_DIGITS}}") + (f"/{part}" if part else "")


def file(version_id: VersionId, path: str) -> str:
    """Return the key of a file of a version; `path` is relative to its folder, with any characters."""
    return version(version_id, "files/" + quoted(path))


def number_in(key: str) -> int:
    """Return the number that a key ends with; 0 without one."""
    return int(end(key)) if _NUMBER.fullmatch(end(key)) else 0


def end(key: str) -> str:
    """Return the last part of a key."""
    return key.rpartition("/")[2]


def quoted(path: str) -> str:
    """Return a path as keys hold it: ASCII letters, digits and ``_.-~=/`` only."""
    return quote(path, safe="/", errors="surrogateescape").replace("%", "=")


def unquoted(text: str) -> str:
    """Return the path that `quoted` made `text` of."""
    return unquote(text.replace("=", "%"), errors="surrogateescape")
