"""What a request says beside its body: the parameters of its query, and the headers that name forms and letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from starlette.requests import Request

from dltk_runtime.errors import BodyInvalid
from dltk_runtime.payload import Form
from dltk_runtime.server.errors import CharsetUnknown, FormUnacceptable, QueryTwice, QueryUnknown, VersionInvalid

ANY = "*/*"
UTF_8 = ("", "utf-8", "utf8", "us-ascii", "ascii")  # ASCII is UTF-8, too


def query_of(request: Request) -> dict[str, str]:
    """Return the parameters of the query.

    Raises:
        QueryTwice: one comes twice, and either could be meant.
    """
    given = request.query_params.multi_items()
    for name, count in Counter(name for name, _ in given).most_common(1):
        if count > 1:
            raise QueryTwice(name)
    return dict(given)


def known_query_of(request: Request, known: Sequence[str] = (), advice: str = "") -> dict[str, str]:
    """Return the parameters of a query in which no others than those `known` mean anything.

    Raises:
        QueryTwice: one comes twice.
        QueryUnknown: one is not known, so that what it asks for would not happen.
    """
    query = query_of(request)
    for name in query:
        if name not in known:
            raise QueryUnknown(name, known, advice)
    return query


def version_of(text: str | None) -> int | None:
    """Return the number of a version; None without one.

    Raises:
        VersionInvalid: it is no whole number from 1.
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
        raise VersionInvalid(text)
    return int(text)


def media_type(request: Request) -> str:
    """Return the Content-Type without parameters, in lower case; empty without one.

    Raises:
        BodyInvalid: there are several of these headers.
        CharsetUnknown: its charset is another one than UTF-8.
    """
    given = request.headers.getlist("content-type")
    if len(given) > 1:
        raise BodyInvalid(f"The request has {len(given)} headers 'content-type': send one.")
    kind, *parameters = given[0].split(";") if given else [""]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip(" \t\"'").lower()
        if name.strip().lower() == "charset" and charset not in UTF_8:
            raise CharsetUnknown(charset)
    return kind.strip().lower()


def accepted(request: Request, forms: Mapping[str, Form], default: Form) -> Form:
    """Return the form of results that Accept prefers: of equal ones the first; any is the `default`.

    A form has the weight of the narrowest range that it is in (RFC 9110, 12.5.1).

    Raises:
        FormUnacceptable: it names none of `forms`.
    """
    given = ",".join(request.headers.getlist("accept"))
    wanted = dict([each for each in map(_range, given.split(",")) if each[0]] or [(ANY, 1.0)])
    places = {wish: place for place, wish in enumerate(wanted)}
    ranked: list[tuple[float, int, bool, int, Form]] = []
    for kind, form in forms.items():
        wish = next((each for each in (kind, f"{kind.partition('/')[0]}/*", ANY) if each in wanted), None)
        if wish is not None and wanted[wish]:
            ranked.append((-wanted[wish], places[wish], form is not default, len(ranked), form))
    if not ranked:
        raise FormUnacceptable(given, list(forms))
    return min(ranked)[-1]


def _range(text: str) -> tuple[str, float]:
    """Return a media range of Accept and its weight from 0 to 1."""
    kind, *parameters = text.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return kind.strip().lower(), _weight(value.strip())
    return kind.strip().lower(), 1.0


def _weight(text: str) -> float:
    """Return a weight; 1 for one that is no number."""
    try:
        value = float(text[:8])
    except ValueError:
        return 1.0
    return min(max(value, 0.0), 1.0) if value == value else 1.0  # noqa: PLR0124 - NaN is not equal to itself
