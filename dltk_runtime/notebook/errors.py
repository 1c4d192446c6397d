"""dltk_runtime.notebook.errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dltk_runtime.errors import NOT_INITIALIZED, NOT_LOADED, DltkError, RequestError, nearest


class ParametersInvalid(RequestError):
    """Parameters that the notebook does not declare, or not of that type; all at once."""

    opening = NOT_INITIALIZED

    def __init__(self, who: str, problems: Sequence[str], declared: Sequence[str]) -> None:
        known = "; ".join(declared) if declared else "no parameters"
        told = "; ".join(problems)
        super().__init__(f"{told}{'' if told.endswith(('.', '?')) else '.'} {who} declares: {known}")


class NotebookError(DltkError):
    """The author's code."""

    http_status = 422
    opening = NOT_LOADED


class AlgorithmUnknown(NotebookError):
    """No notebook of that name in any of the folders."""

    http_status = 404

    def __init__(self, algorithm: str, looked_in: Sequence[Path], known: Iterable[str]) -> None:
        folders = ", ".join(str(folder) for folder in looked_in)
        super().__init__(
            f"No notebook {algorithm!r} in {folders}.{nearest(algorithm, known)} "
            f"Save {algorithm}.ipynb there, or list what there is with 'dltk algos'."
        )


class NotebookUnreadable(NotebookError):
    """A file that holds no notebook or Python text: missing, half written, broken or in another format."""

    def __init__(self, path: Path, what: str) -> None:
        advice = "Open it in JupyterLab and save it again" if path.suffix == ".ipynb" else "Save it again"
        super().__init__(f"{path} cannot be read: {what}. {advice}, or put back a good copy.")


class AlgorithmInvalid(NotebookError):
    """The notebook does not keep the contract; all problems at once."""

    def __init__(self, algorithm: str, problems: Sequence[str]) -> None:
        super().__init__(f"The notebook {algorithm!r} cannot be used: " + "; ".join(problems) + ".")
        self.problems = tuple(problems)


class AlgorithmFailed(NotebookError):
    """The notebook's code raised or took its process down; `traceback` goes to the job."""

    def __init__(self, opening: str, sentence: str, traceback: str = "", coordinates: str = "") -> None:
        super().__init__(sentence)
        self.opening = opening
        self.traceback = traceback
        self.coordinates = coordinates
