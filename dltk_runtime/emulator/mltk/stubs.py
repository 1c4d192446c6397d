"""The folder of stub files, by which Splunk refers to models that a container stores (protocol 4, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.stub import Stub, parse_stub
from dltk_runtime.errors import DltkError
from dltk_runtime.files import atomic

PREFIX, SUFFIX = "__mlspl_", ".mlmodel"


@dataclass(frozen=True, slots=True)
class Stubs:
    """The folder of stub files; model names are those that the grammar allows."""

    folder: Path

    def path(self, name: str) -> Path:
        """Return the path of a model's stub."""
        return self.folder / f"{PREFIX}{name}{SUFFIX}"

    def names(self) -> list[str]:
        """List the models, sorted."""
        found = self.folder.glob(f"{PREFIX}*{SUFFIX}")
        return sorted(path.name.removeprefix(PREFIX).removesuffix(SUFFIX) for path in found)

    def require(self, name: str) -> None:
        """Check that there is a stub of that name, readable or not.

        Raises:
            SearchInvalid: there is none.
        """
        if not self.path(name).is_file():
            raise _absent(name)

    def read(self, name: str) -> Stub:
        """Read the stub of a model.

        Raises:
            SearchInvalid: there is no such model, or its file is not a stub.
        """
        try:
            return parse_stub(name, atomic.read(self.path(name)))
        except FileNotFoundError as error:
            raise _absent(name) from error
        except (OSError, ValueError, LookupError, TypeError, DltkError) as error:
            raise SearchInvalid(
                f'model "{name}" cannot be read from {self.path(name)}: {error}. Fit it again'
            ) from error

    def write(self, stub: Stub) -> None:
        """Write a stub, replacing one of the same name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write(self.path(stub.name), stub.to_csv().encode(), durable=False)

    def delete(self, name: str) -> None:
        """Remove the stub of a model.

        Raises:
            SearchInvalid: there is no such model.
        """
        try:
            self.path(name).unlink()
        except FileNotFoundError as error:
            raise _absent(name) from error


def _absent(name: str) -> SearchInvalid:
    return SearchInvalid(f'model "{name}" does not exist.')
