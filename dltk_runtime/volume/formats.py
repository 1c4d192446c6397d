"""What can be read of a model's file without running it: its format, and which library wrote it.

Only a few bytes are looked at, never unpickled. What a file does not say stays unknown.
"""

from __future__ import annotations

import importlib
import json
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.units import MIB

MAX_SEARCHED_BYTES = 256 * MIB  # of a pickle, for the version that scikit-learn writes into each estimator
CHUNK_BYTES = MIB
LONGEST_VERSION = 32  # characters
MAX_METADATA_BYTES = MIB
_SKLEARN_KEY = b"_sklearn_version"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SHORT, _LONG = b"\x8c", b"X"  # how a pickle begins a text, with 1 and 4 bytes of length


@dataclass(frozen=True, slots=True)
class Format:
    """A file's format, and the release of each library (a distribution's name) that the file names."""

    name: str
    written_by: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ", ".join([self.name, *(f"{library} {version}" for library, version in self.written_by)])


def format_of(path: Path) -> Format:
    """Return the format of a file or folder; its ending where the content does not tell."""
    if path.is_dir():
        return Format("tensorflow", ()) if (path / "saved_model.pb").exists() else Format("folder")
    with suppress(OSError):
        with path.open("rb") as file:
            head = file.read(8)
        if head == _HDF5:
            return Format("HDF5", _of_hdf5(path))
        if head[:4] == b"PK\x03\x04":
            return _of_zip(path)
        if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
            return Format("pickle", _of_pickle(path))
    return Format(path.suffix.removeprefix(".") or "unknown")


def _of_pickle(path: Path) -> tuple[tuple[str, str], ...]:
    version = _sklearn_version(path)
    return (("scikit-learn", version),) if version else ()


def _sklearn_version(path: Path) -> str:
    """Return the release that the first estimator of a pickle names, as `__getstate__` writes it."""
    before = b""
    with path.open("rb") as file:
        for _ in range(MAX_SEARCHED_BYTES // CHUNK_BYTES):
            chunk = file.read(CHUNK_BYTES)
            text = before + chunk
            place = text.find(_SKLEARN_KEY)
            if place >= 0:
                rest = text[place + len(_SKLEARN_KEY) :]
                return _text_of_pickle(rest + file.read(2 * LONGEST_VERSION))
            if not chunk:
                break
            before = chunk[-len(_SKLEARN_KEY) :]
    return ""


def _text_of_pickle(rest: bytes) -> str:
    """Return the text that follows a key; between them is only where the key is remembered."""
    for opcode, length_bytes in ((_SHORT, 1), (_LONG, 4)):
        place = rest.find(opcode, 0, 8)
        if place >= 0:
            begin = place + 1 + length_bytes
            length = int.from_bytes(rest[place + 1 : begin], "little")
            if 0 < length <= LONGEST_VERSION:
                return _version(rest[begin : begin + length])
    return ""


def _of_zip(path: Path) -> Format:
    """Return the format of a ``.keras`` file, or of one that ``torch.save`` wrote."""
    with suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "metadata.json" in names:
            with archive.open("metadata.json") as file:
                found = json.loads(file.read(MAX_METADATA_BYTES))
            version = _version(str(found.get("keras_version", "")).encode())
            return Format("Keras", (("keras", version),) if version else ())
        if any(name.endswith("/data.pkl") for name in names):
            return Format("torch")
    return Format("zip")


def _of_hdf5(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the release of Keras in the attributes of an HDF5 file, where h5py is installed."""
    value: object = ""
    # Without h5py, and of a file that it refuses, the release stays unknown.
    with suppress(Exception), importlib.import_module("h5py").File(path, "r") as file:
        value = file.attrs["keras_version"]
    version = _version(value if isinstance(value, bytes) else str(value).encode())
    return (("keras", version),) if version else ()


def _version(text: bytes) -> str:
    """Return a release as text, or "" for what is none."""
    shown = text[:LONGEST_VERSION].decode("ascii", "replace")
    return shown if shown[:1].isdigit() and all(each.isalnum() or each in ".+-" for each in shown) else ""
