"""The folders below `DLTK_HOME` and the notebooks' folder.

In the image `DLTK_HOME` is ``/srv`` and the notebooks are in ``/srv/notebooks``, the paths that
DSDL notebooks name. Elsewhere `Paths.rebase` maps such a path to this machine's folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SRV = "/srv/"
SRV_NOTEBOOKS = "/srv/notebooks"
SRV_GRAPHICS = "/srv/app/graphics"


@dataclass(frozen=True, slots=True)
class Paths:
    """The two roots, both absolute, and the runtime's folders below them.

    `pictures` stands in for ``/srv/app/graphics`` while a version is fitted, which may not be
    promoted; None where a picture goes there at once. `objects` is the address of the object store
    that keeps the versions of models; empty where `versions` does.
    """

    home: Path
    notebooks: Path
    pictures: Path | None = None
    objects: str = ""

    @property
    def models(self) -> Path:
        """The notebooks' `MODEL_DIRECTORY`: flat files of an old volume, and ``versions/``."""
        return self.home / "app" / "model" / "data"

    @property
    def versions(self) -> Path:
        """The model store: one folder per algorithm, model and version."""
        return self.models / "versions"

    @property
    def copies(self) -> Path:
        """Files of versions that an object store keeps, copied to this machine."""
        return self.models / "objects"

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
        """Pictures that notebooks store and ``GET /graphics/`` serves."""
        return self.home / "app" / "graphics"

    @property
    def staged(self) -> Path:
        """Data and parameters of searches with ``mode=stage``."""
        return self.notebooks / "data"

    @property
    def curves(self) -> Path:
        """What TensorBoard shows."""
        return self.notebooks / "logs"

    @property
    def jobs(self) -> Path:
        """Job records and logs."""
        return self.home / "jobs"

    @property
    def flows(self) -> Path:
        """The watermark of each flow of ``dltk batch``, and its temporary files."""
        return self.home / "batch" / "flows"

    @property
    def backfills(self) -> Path:
        """The finished windows of interrupted backfills."""
        return self.home / "backfills"

    @property
    def drift(self) -> Path:
        """Drift records: how the rows of applies differ from those of the fit."""
        return self.home / "drift"

    @property
    def calls(self) -> Path:
        """The calls answered last, a file for each server."""
        return self.home / "calls"

    @property
    def shadow(self) -> Path:
        """Figures of how our answers compare with the old container's; no rows."""
        return self.home / "shadow"

    @property
    def signed_out(self) -> Path:
        """Folder of notes about sessions of the console that were signed out."""
        return self.home / "console" / "signed_out"

    @property
    def usage(self) -> Path:
        """Seconds on GPUs by token, a file for each day."""
        return self.home / "usage"

    @property
    def last_used(self) -> Path:
        """The model used last, as ``/summary`` describes it, on every replica."""
        return self.home / "last_used.json"

    def rebase(self, path: str) -> str:
        """Map a ``/srv`` path of a notebook to this machine; return other text unchanged.

        ``/srv/notebooks`` stands for the notebooks' folder, every other ``/srv/`` for the home.
        """
        if self.pictures is not None and (path == SRV_GRAPHICS or path.startswith(SRV_GRAPHICS + "/")):
            return str(self.pictures) + path[len(SRV_GRAPHICS) :]
        if path == SRV_NOTEBOOKS or path.startswith(SRV_NOTEBOOKS + "/"):
            return str(self.notebooks) + path[len(SRV_NOTEBOOKS) :]
        if path.startswith(SRV):
            return str(self.home) + path[len(SRV) - 1 :]
        return path


SITE = Path(__file__).with_name("site")  # packages that notebooks import: app, dsdlsupport
