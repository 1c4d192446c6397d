"""Extension of Jupyter's server: review saved notebooks, fit them on staged data, create them from templates.

JupyterLab shows the review (`labextension/`), the server logs it, and ``dltk check`` prints the
same text. No code of a notebook runs in this process.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from dltk_runtime import handover
from dltk_runtime.errors import DltkError
from dltk_runtime.lab import kernels, kernelspec, templates, trial
from dltk_runtime.notebook.places import name_of
from dltk_runtime.notebook.review import Review, review
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings, worker_paths
from dltk_runtime.splunk import access
from dltk_runtime.store.store import ModelStore

MODULE = __name__
LABEXTENSIONS = Path(__file__).with_name("labextension")


def configure(c: Any, settings: Settings) -> None:
    """Configure JupyterLab for the settings' notebooks; `c` is Jupyter's configuration object.

    Kernels inherit none of the server's secrets, and cannot read its environment.
    """
    handover.hide()
    paths = settings.paths
    c.MultiKernelManager.kernel_manager_class = f"{kernels.__name__}.{kernels.NotebookKernelManager.__name__}"
    if (descriptor := access.sealed(settings)) is not None:
        c.NotebookKernelManager.access_descriptor = descriptor
    c.ServerApp.root_dir = str(paths.notebooks)
    c.ServerApp.jpserver_extensions = {MODULE: True}
    c.LabApp.extra_labextensions_path = [str(LABEXTENSIONS)]
    c.MultiKernelManager.default_kernel_name = kernelspec.KERNEL_NAME


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": MODULE}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Register the hook and the handlers; Jupyter's server calls this at start."""

    paths = _paths_of(server.contents_manager)

    def saved(model: dict[str, Any], os_path: str, **_: Any) -> None:
        if model["type"] == "notebook" and _is_algorithm(found := review(Path(os_path), paths)):
            found = with_code_note(found, Path(os_path), paths)
            server.log.info("saved: %s", found.text)

    server.contents_manager.register_post_save_hook(saved)
    base = server.web_app.settings["base_url"]
    handlers = {"review": ReviewHandler, "templates": TemplatesHandler, "new": NewHandler}
    handlers |= {"staged": StagedHandler, "fit": FitHandler}
    server.web_app.add_handlers(".*$", [(url_path_join(base, "dltk", name), each) for name, each in handlers.items()])


class ReviewHandler(APIHandler):
    """``GET /dltk/review?path=umap.ipynb``: the review of a notebook."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the review as JSON."""
        contents: Any = self.contents_manager
        # The private method refuses paths outside the root.
        path = contents._get_os_path(self.get_query_argument("path"))  # noqa: SLF001
        found = await asyncio.to_thread(_reviewed, Path(path), _paths_of(contents))
        self.finish(
            {
                "algorithm": _is_algorithm(found),
                "problems": found.problems,
                "hints": found.hints,
                "brief": found.brief,
                "text": found.text,
                "exported": found.exported,
            }
        )


class StagedHandler(APIHandler):
    """``GET /dltk/staged?path=umap.ipynb``: the names of staged data, the notebook's own first."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the names as JSON."""
        name = name_of(Path(self.get_query_argument("path"))) or ""
        self.finish({"staged": await asyncio.to_thread(trial.staged, _paths_of(self.contents_manager), name)})


class FitHandler(APIHandler):
    """``POST /dltk/fit`` with ``{"path": …, "staged": …}``: fit a notebook as the service would."""

    @web.authenticated
    async def post(self) -> None:
        """Answer with the end of the fit as JSON, or with status 400 where there is no such data."""
        wanted, contents = json.loads(self.request.body), cast("Any", self.contents_manager)
        paths = _paths_of(contents)
        if wanted["staged"] not in await asyncio.to_thread(trial.staged, paths, ""):
            self.set_status(400)
            self.finish({"message": "No such staged data: stage it by a search with mode=stage."})
            return
        path = contents._get_os_path(wanted["path"])  # noqa: SLF001 - refuses paths outside the root
        ended = await trial.fit(paths, Path(path), wanted["staged"])
        self.finish({"done": ended.done, "text": ended.text})


class TemplatesHandler(APIHandler):
    """``GET /dltk/templates``: the names of the templates."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the names as JSON."""
        self.finish({"templates": list(templates.TEMPLATE_NAMES)})


class NewHandler(APIHandler):
    """``POST /dltk/new`` with ``{"name": …, "template": …}``: create a notebook."""

    @web.authenticated
    async def post(self) -> None:
        """Answer with the path of the new notebook, or with status 400 and a message."""
        wanted = json.loads(self.request.body)
        try:
            path = templates.write(Path(self.contents_manager.root_dir), wanted["name"], wanted["template"])
        except DltkError as error:
            self.set_status(400)
            self.finish({"message": error.sentence})
            return
        self.finish({"path": path.name})


def _reviewed(path: Path, paths: Paths) -> Review:
    return with_code_note(review(path, paths), path, paths)


def _paths_of(contents: Any) -> Paths:
    """Return the folders of Jupyter's server, whose root is the notebooks' folder."""
    return replace(worker_paths(), notebooks=Path(contents.root_dir).absolute())


def with_code_note(found: Review, path: Path, paths: Paths) -> Review:
    """Add to a review which models run the saved code at once, and which after their next fit."""
    default = Settings.from_env().pins_code
    store = ModelStore.open(paths, keep=1)
    models = [name for name in store.models() if name.algorithm == name_of(path)]
    pinned = [name.model for name in models if store.pins_code(name, default)]
    live = [name.model for name in models if name.model not in pinned]
    notes = []
    if pinned:
        notes.append(f"applies of {', '.join(pinned)} go on with the code of their version until the next fit")
    if live:
        notes.append(f"the next apply of {', '.join(live)} runs this code")
    return replace(found, notes=tuple(notes))


def _is_algorithm(found: Review) -> bool:
    """Tell whether the notebook defines a function of the contract, or is unreadable."""
    return bool(found.functions) or not found.readable or not found.name.endswith(".ipynb")
