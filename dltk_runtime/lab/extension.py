"""The extension of Jupyter's server: each save of a notebook is reviewed, and new ones are made from templates.

JupyterLab shows the review (`labextension/`), the log has it too, and ``dltk check`` prints the same. Nothing of a
notebook runs for it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from dltk_runtime.errors import DltkError
from dltk_runtime.lab import kernelspec, templates
from dltk_runtime.notebook.review import Review, review
from dltk_runtime.paths import Paths

MODULE = __name__
LABEXTENSIONS = Path(__file__).with_name("labextension")


def configure(c: Any, paths: Paths) -> None:
    """Set up a JupyterLab over the notebooks of `paths`, in its configuration object."""
    c.ServerApp.root_dir = str(paths.notebooks)
    c.ServerApp.jpserver_extensions = {MODULE: True}
    c.LabApp.extra_labextensions_path = [str(LABEXTENSIONS)]
    c.MultiKernelManager.default_kernel_name = kernelspec.NAME


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": MODULE}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Called by Jupyter's server when it starts."""

    def saved(model: dict[str, Any], os_path: str, **_: Any) -> None:
        if model["type"] == "notebook" and _is_algorithm(found := review(Path(os_path))):
            server.log.info("saved: %s", found.text)

    server.contents_manager.register_post_save_hook(saved)
    base = server.web_app.settings["base_url"]
    handlers = {"review": ReviewHandler, "templates": TemplatesHandler, "new": NewHandler}
    server.web_app.add_handlers(".*$", [(url_path_join(base, "dltk", name), each) for name, each in handlers.items()])


class ReviewHandler(APIHandler):
    """``GET /dltk/review?path=umap.ipynb``: what the notebook means as an algorithm."""

    @web.authenticated
    async def get(self) -> None:
        contents: Any = self.contents_manager
        path = contents._get_os_path(self.get_query_argument("path"))  # noqa: SLF001 - nothing outside the root
        found = await asyncio.to_thread(review, Path(path))
        self.finish(
            {
                "algorithm": _is_algorithm(found),
                "problems": found.problems,
                "hints": found.hints,
                "brief": found.brief,
                "text": found.text,
            }
        )


class TemplatesHandler(APIHandler):
    """``GET /dltk/templates``: what a new algorithm can be made from."""

    @web.authenticated
    async def get(self) -> None:
        self.finish({"templates": list(templates.NAMES)})


class NewHandler(APIHandler):
    """``POST /dltk/new`` with ``{"name", "template"}``: a new notebook in the notebooks' folder."""

    @web.authenticated
    async def post(self) -> None:
        wanted = json.loads(self.request.body)
        try:
            path = templates.write(Path(self.contents_manager.root_dir), wanted["name"], wanted["template"])
        except DltkError as error:
            self.set_status(400)
            self.finish({"message": error.sentence})
            return
        self.finish({"path": path.name})


def _is_algorithm(found: Review) -> bool:
    """Whether the notebook defines any function of the contract, or cannot be read to tell."""
    return bool(found.functions) or not found.name.endswith(".ipynb") or "cannot be read" in found.text
