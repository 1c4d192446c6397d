"""The Open Inference Protocol, version 2, over REST: ``/v2``, with binary tensors.

A model is named ``algorithm.model``; a dot can stand in neither.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dltk_runtime import __version__
from dltk_runtime.access.holder import Right
from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request as Sent
from dltk_runtime.errors import BodyInvalid, shown
from dltk_runtime.names import ModelName
from dltk_runtime.payload import Form, Forms
from dltk_runtime.server.answering import response_of
from dltk_runtime.server.doors.asked import known_query_of, media_type, version_of
from dltk_runtime.server.doors.columns import inputs_of, outputs_of
from dltk_runtime.server.doors.door import Door, Wanted, headers_of, model_of, warnings_of
from dltk_runtime.server.errors import NoModel
from dltk_runtime.store.store import Version
from dltk_runtime.tables.tensor_prefix import PREFIX

SERVER = "dltk-runtime"
PLATFORM = "python"
EXTENSIONS = ["binary_tensor_data"]
HEADER_LENGTH = "inference-header-content-length"  # bytes of JSON before binary tensors
SHAPE = {"shape": [-1]}  # of every column
PLACES = "the path names model and version, the body's 'parameters' what the notebook gets"


class Infer(Door):
    """The door: inference, health and metadata."""

    route = "/v2/infer"

    async def asked(self, request: Request, upload: Upload) -> Sent:
        """Receive the tensors; the worker reads them, parameters and the wanted outputs too."""
        rows = await self.receive(request, upload, PREFIX.pack(_header_length(request)))
        media_type(request)  # either, as clients name either; UTF-8 alone
        return _wanted(request).request(rows, Forms(Form.TENSORS, Form.TENSORS), {})

    def answered(self, _: Sent, applied: Applied, /) -> Response:
        """Put the model's name and version before the tensors that the worker wrote."""
        results = applied.results.view()
        (length,) = PREFIX.unpack_from(results)
        head, behind = results[PREFIX.size : PREFIX.size + length], results[PREFIX.size + length :]
        facts: dict[str, Any] = {"model_name": f"{applied.version.algorithm}.{applied.version.model}"}
        facts["model_version"] = str(applied.version.number)
        if applied.warnings:
            facts["parameters"] = {"warnings": warnings_of(applied)}
        opening = msgspec.json.encode(facts)[:-1] + b","
        headers = headers_of(applied)
        media = "application/json"
        if len(behind):
            headers[HEADER_LENGTH], media = str(len(opening) + length - 1), "application/octet-stream"
        return response_of([opening, head[1:], behind], media, headers)

    # ------------------------------------------------------------ health and metadata

    async def server(self, _: Request) -> Response:
        """Describe the server."""
        return JSONResponse({"name": SERVER, "version": __version__, "extensions": EXTENSIONS})

    async def live(self, _: Request) -> Response:
        """Answer: the server runs."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Answer whether the server's models are loaded."""
        ready = self._service.ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """Answer whether a version of the model can answer."""
        wanted = _seen(request)
        version = await asyncio.to_thread(self._version, wanted)
        ready = self._service.ready
        facts = {"name": _named(version.name), "ready": ready}
        return JSONResponse(facts, 200 if ready else 503)

    async def metadata(self, request: Request) -> Response:
        """Describe a model: its versions, and the fields and results of the one that answers."""
        return JSONResponse(await asyncio.to_thread(self._metadata, _seen(request)))

    def _metadata(self, wanted: Wanted) -> dict[str, Any]:
        version = self._version(wanted)
        versions = [str(each.number) for each in self._service.store.versions(wanted.name)]
        inputs = [each | SHAPE for each in inputs_of(version)]
        outputs = [each | SHAPE for each in outputs_of(version)]
        name = _named(wanted.name)
        return {"name": name, "versions": versions, "platform": PLATFORM, "inputs": inputs, "outputs": outputs}

    def _version(self, wanted: Wanted) -> Version:
        """Return the version that answers.

        Raises:
            NoModel: there is none, and no worker has loaded anything under this name.
            StoreError: the one that was asked for is missing or damaged.
        """
        store = self._service.store
        if wanted.version is not None:
            version = store.get(wanted.name, wanted.version)
            version.verify()
            return version
        version = store.serving(wanted.name)
        if version.number == 0 and not store.has_legacy(wanted.name):
            store.check_absence(wanted.name)
            if 0 not in self._service.pool.versions_in_use(wanted.name):
                raise NoModel(_named(wanted.name))
        return version


def _wanted(request: Request) -> Wanted:
    path = request.path_params
    known_query_of(request, advice=PLACES)
    return Wanted(model_of(path["name"]), version_of(path.get("number")))


def _seen(request: Request) -> Wanted:
    """Return the model that is asked for, which the token may apply or read.

    Raises:
        RightMissing: it may do neither, or not with this model.
    """
    wanted, holder = _wanted(request), request.state.holder
    holder.check(Right.APPLY if holder.may(Right.APPLY) else Right.READ, wanted.name)
    return wanted


def _named(name: ModelName) -> str:
    return f"{name.algorithm}.{name.model}"


def _header_length(request: Request) -> int:
    """Return the number of bytes of JSON before binary tensors; 0 when all is JSON.

    Raises:
        BodyInvalid: it is no number of bytes.
    """
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given)):
        raise BodyInvalid(f"Inference-Header-Content-Length is {shown(given)}: expected a number of bytes from 1.")
    return int(given)
