"""Lookup files: CSV in Splunk's reading, where every value is text and empty text is null."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from dltk_runtime.emulator.errors import LookupUnknown, SearchError, SearchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.files import atomic

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LookupFolders:
    """Where lookup files lie.

    A plain name is looked for in `folder`, which outputlookup writes to, then in `others`; the first of these is
    the current folder of the person who typed the search. A name with a slash is a path from there.
    """

    folder: Path
    others: tuple[Path, ...]

    def find(self, name: str) -> Path:
        """The file of that name.

        Raises:
            SearchInvalid: not the name of a CSV file.
            LookupUnknown: it is in none of the folders.
        """
        if not name.lower().endswith(".csv"):
            raise SearchInvalid(f"{shown(name)} is no CSV file. KV store lookups and definitions exist in Splunk only")
        folders = self.others[:1] if PurePath(name).name != name else (self.folder, *self.others)
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        known = {path.name for folder in folders if folder.is_dir() for path in folder.glob("*.csv")}
        raise LookupUnknown(name, folders, sorted(known))

    def target(self, name: str) -> Path:
        """Where outputlookup writes `name`: into `folder`, nowhere else.

        Raises:
            SearchInvalid: not a plain CSV name.
        """
        if not _NAME.fullmatch(name):
            raise SearchInvalid(
                f"{shown(name)} is no name for a lookup file: letters, digits, _ . - and .csv at the end, no folders"
            )
        return self.folder / name


def read(path: Path) -> pd.DataFrame:
    """The rows of a CSV file, all values text or missing.

    Raises:
        SearchError: it cannot be read or is no CSV.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        raise SearchError(f"The lookup file {path} cannot be read: {error}") from error
    return frame


def write(path: Path, frame: pd.DataFrame) -> None:
    """Replace the file by these rows.

    Raises:
        SearchError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, frame.to_csv(index=False).encode(), durable=False)
    except OSError as error:
        raise SearchError(f"The lookup file {path} cannot be written: {error}") from error
