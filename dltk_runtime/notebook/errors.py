"""Failures of notebooks: missing, unreadable, invalid, or raising."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dltk_runtime.errors import NOT_INITIALIZED, NOT_LOADED, DltkError, RequestError, nearest


class ParametersInvalid(RequestError):
    """A search's parameters are unknown or of the wrong type; lists all problems."""

    opening = NOT_INITIALIZED

    def __init__(self, notebook: str, problems: Sequence[str], declared: Sequence[str]) -> None:
        known = "; ".join(declared) if declared else "no parameters"
        listed = "; ".join(problems)
        end = "" if listed.endswith((".", "?")) else "."
        super().__init__(f"{listed}{end} {notebook} declares: {known}")


class NotebookError(DltkError):
    """The notebook itself is at fault."""

    http_status = 422
    opening = NOT_LOADED


class AlgorithmUnknown(NotebookError):
    """No searched folder has a notebook of that name."""

    http_status = 404

    def __init__(self, algorithm: str, searched: Sequence[Path], known: Iterable[str]) -> None:
        folders = ", ".join(str(folder) for folder in searched)
        super().__init__(
            f"No notebook {algorithm!r} in {folders}.{nearest(algorithm, known)} "
            f"Save {algorithm}.ipynb there, or list the algorithms with 'dltk algos'."
        )


class NotebookUnreadable(NotebookError):
    """The file is missing, truncated, or not in a supported format."""

    def __init__(self, path: Path, cause: str) -> None:
        advice = "Open it in JupyterLab and save it again" if path.suffix == ".ipynb" else "Save it again"
        super().__init__(f"{path} cannot be read: {cause}. {advice}, or restore a backup.")


class AlgorithmInvalid(NotebookError):
    """The notebook does not fulfil the contract; lists all problems."""

    def __init__(self, algorithm: str, problems: Sequence[str]) -> None:
        super().__init__(f"The notebook {algorithm!r} cannot be used: " + "; ".join(problems) + ".")
        self.problems = tuple(problems)


class AlgorithmFailed(NotebookError):
    """The notebook's code raised an exception or ended its process.

    `traceback` is stored in the job's record; `coordinates` name the notebook's cell and line;
    `kind` is the type of the exception, or how the process ended.
    """

    def __init__(self, opening: str, sentence: str, traceback: str = "", coordinates: str = "", kind: str = "") -> None:
        super().__init__(sentence)
        self.opening = opening
        self.traceback = traceback
        self.coordinates = coordinates
        self.kind = kind or type(self).__name__

    @property
    def place(self) -> str:
        """The type of the exception and its coordinates, without the source line."""
        return place_of(self.kind, self.coordinates)


class NeverFitted(AlgorithmFailed):
    """The model has no version, and the notebook's own `load` finds nothing either."""

    http_status = 404


def place_of(kind: str, coordinates: str) -> str:
    """Return ``ValueError (at umap.ipynb, cell 22 (mltkc_fit), line 7)``."""
    where = coordinates.partition(": `")[0]
    return f"{kind} (at {where})" if where and where not in kind else kind
