"""Lookup files: CSV as Splunk reads it, where every value is text and empty text is null."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from dltk_runtime.emulator.errors import LookupUnknown, SearchError, SearchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.files import atomic

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv(?:\.gz)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LookupFolders:
    """The folders of lookup files.

    A plain name is searched in `folder`, to which outputlookup writes, then in `others`; the first of
    `others` is the current folder. A name with a slash is a path relative to that folder.
    """

    folder: Path
    others: tuple[Path, ...]

    def find(self, name: str) -> Path:
        """Return the path of the file `name`.

        Raises:
            SearchInvalid: it is not the name of a CSV file.
            LookupUnknown: no folder has it.
        """
        if not name.lower().endswith((".csv", ".csv.gz")):
            raise SearchInvalid(f"{shown(name)} is no CSV file. KV store lookups and definitions exist in Splunk only")
        folders = self.others[:1] if PurePath(name).name != name else (self.folder, *self.others)
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        known = {path.name for folder in folders if folder.is_dir() for path in folder.glob("*.csv")}
        raise LookupUnknown(name, folders, sorted(known))

    def target(self, name: str) -> Path:
        """Return the path in `folder` to which outputlookup writes `name`.

        Raises:
            SearchInvalid: it is not a plain name of a CSV file.
        """
        if not _NAME.fullmatch(name):
            raise SearchInvalid(
                f"Invalid lookup file name {shown(name)}: use letters, digits, _ . - and end with .csv or .csv.gz; "
                "no folders"
            )
        return self.folder / name


def read(path: Path) -> pd.DataFrame:
    """Read the rows of a CSV file; every value is text or missing.

    Raises:
        SearchError: the file cannot be read or is not CSV.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, EOFError, zlib.error, ValueError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        raise SearchError(f"The lookup file {path} cannot be read: {error}") from error
    return frame


def write(path: Path, frame: pd.DataFrame) -> None:
    """Replace the file with these rows.

    Raises:
        SearchError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = frame.to_csv(index=False).encode()
        atomic.write(path, gzip.compress(data, mtime=0) if path.suffix.lower() == ".gz" else data, durable=False)
    except OSError as error:
        raise SearchError(f"The lookup file {path} cannot be written: {error}") from error
