"""``POST /v1/models/{algorithm}/{model}/apply``: rows in, rows out, in the forms that the headers name."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request as Sent
from dltk_runtime.names import ModelName
from dltk_runtime.payload import Form, Forms
from dltk_runtime.server.answering import response_of
from dltk_runtime.server.doors.asked import accepted, media_type, query_of, version_of
from dltk_runtime.server.doors.door import Door, Wanted, headers_of
from dltk_runtime.server.errors import FormUnknown, VersionTwice

ARROW, CSV, JSON = "application/vnd.apache.arrow.stream", "text/csv", "application/json"
FORMS = {ARROW: Form.ARROW, CSV: Form.CSV, JSON: Form.JSON}
MEDIA_TYPES = {form: media for media, form in FORMS.items()}
NUMBER = "version"  # the parameter of the query that names a version


class Rows(Door):
    """The door; parameters of the query go to the notebook, except `version`, as at ``/invocations``."""

    route = "/v1/apply"

    async def asked(self, request: Request, upload: Upload) -> Sent:
        """Receive the rows.

        Raises:
            FormUnknown, FormUnacceptable: the headers name no form of rows that is known here.
            QueryTwice, VersionInvalid, VersionTwice: the query has a parameter twice, or names no number,
                or a version beside that of the path.
        """
        rows = await self.receive(request, upload)  # first: who is refused before has sent in vain
        path, parameters = request.path_params, query_of(request)
        number = _number(path.get("number"), parameters.pop(NUMBER, None))
        wanted = Wanted(ModelName(path["algorithm"], path["model"]), version_of(number))
        sent = media_type(request)
        if sent not in FORMS:
            raise FormUnknown(sent, list(FORMS))
        forms = Forms(FORMS[sent], accepted(request, FORMS, FORMS[sent]))
        return wanted.request(rows, forms, parameters)

    def answered(self, sent: Sent, applied: Applied, /) -> Response:
        """Make the answer: the results in the form that was asked for."""
        form = sent.forms.results if sent.forms is not None else Form.JSON
        return response_of([applied.results.view()], MEDIA_TYPES[form], headers_of(applied))


def _number(of_path: str | None, of_query: str | None) -> str | None:
    """Return the version that a request names, wherever it does.

    Raises:
        VersionTwice: both places name one.
    """
    if of_path is not None and of_query is not None:
        raise VersionTwice(of_path, of_query)
    return of_query if of_path is None else of_path
