"""``/invocations``, ``/ping`` and ``/version``, as MLflow's scoring server has them.

A scoring server has one model, and this one has many: the query's ``model=algorithm.model`` names
it, with ``version=`` a version of it, else the setting `DLTK_SCORING_MODEL`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dltk_runtime import __version__
from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request as Sent
from dltk_runtime.payload import Form, Forms
from dltk_runtime.server.answering import response_of
from dltk_runtime.server.doors.asked import known_query_of, media_type, version_of
from dltk_runtime.server.doors.door import Door, Wanted, headers_of, model_of
from dltk_runtime.server.errors import FormUnknown, ScoringModelMissing

FORMS = {"application/json": Form.JSON, "text/csv": Form.CSV}
QUERY = ("model", "version")


class ScoringDoor(Door):
    """The door."""

    route = "/invocations"

    async def asked(self, request: Request, upload: Upload) -> Sent:
        """Receive the rows; ``params`` beside them go to the notebook."""
        rows = await self.receive(request, upload)
        wanted = self._wanted(request)
        kind = media_type(request)
        if kind not in FORMS:
            raise FormUnknown(kind, list(FORMS))
        return wanted.request(rows, Forms(FORMS[kind], Form.JSON), {})

    def answered(self, _: Sent, applied: Applied, /) -> Response:
        """Make the answer: a record for each row."""
        return response_of([b'{"predictions": ', applied.results.view(), b"}"], headers=headers_of(applied))

    async def ping(self, _: Request) -> Response:
        """Answer whether the server's models are loaded."""
        return PlainTextResponse("\n", 200 if self._service.ready else 503)

    async def version(self, _: Request) -> Response:
        """Answer the runtime's version."""
        return PlainTextResponse(__version__)

    def _wanted(self, request: Request) -> Wanted:
        """Return the model that a request is for.

        Raises:
            QueryTwice, QueryUnknown: the query has a parameter twice, or another one.
            ScoringModelMissing: neither the query nor the settings name one.
        """
        query = known_query_of(request, QUERY, advice="'params' of the body reach the notebook")
        version = version_of(query.get("version"))
        if "model" in query:
            return Wanted(model_of(query["model"]), version)
        if self._settings.scoring_model is None:
            raise ScoringModelMissing
        return Wanted(self._settings.scoring_model, version)
