"""Where things lie: the folders under `DLTK_HOME` and the notebooks' folder.

In the image `DLTK_HOME` is ``/srv`` and the notebooks are in ``/srv/notebooks``, so that every
path is the one that DSDL's notebooks name. Elsewhere `rebase` says where such a path lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SRV = "/srv/"
SRV_NOTEBOOKS = "/srv/notebooks"


@dataclass(frozen=True, slots=True)
class Paths:
    """The two roots, both absolute, and every folder below them that the runtime knows."""

    home: Path
    notebooks: Path

    @property
    def models(self) -> Path:
        """`MODEL_DIRECTORY` of the notebooks: flat files of an old volume, and ``versions/``."""
        return self.home / "app" / "model" / "data"

    @property
    def versions(self) -> Path:
        return self.models / "versions"

    @property
    def modules(self) -> Path:
        """Algorithms and helpers (``.py``) of an old volume."""
        return self.home / "app" / "model"

    @property
    def helpers(self) -> Path:
        """Helpers beside the notebooks, imported as ``app.model.<helper>``."""
        return self.notebooks / "app" / "model"

    @property
    def graphics(self) -> Path:
        return self.home / "app" / "graphics"

    @property
    def staged(self) -> Path:
        return self.notebooks / "data"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def flows(self) -> Path:
        """How far each flow of ``dltk batch`` has come, and its files on the way."""
        return self.home / "batch" / "flows"

    @property
    def backfills(self) -> Path:
        """The windows that a backfill which did not come to its end has done."""
        return self.home / "backfills"

    @property
    def drift(self) -> Path:
        """What is known of models whose rows drift from those of their fits."""
        return self.home / "drift"

    def rebase(self, path: str) -> str:
        """Where a constant path of a notebook lies here; text that is no such path stays.

        ``/srv/notebooks`` stands for the notebooks' folder, every other ``/srv/`` for the home.
        """
        if path == SRV_NOTEBOOKS or path.startswith(SRV_NOTEBOOKS + "/"):
            return str(self.notebooks) + path[len(SRV_NOTEBOOKS) :]
        if path.startswith(SRV):
            return str(self.home) + path[len(SRV) - 1 :]
        return path


SITE = Path(__file__).with_name("site")  # what notebooks import: app, dsdlsupport
