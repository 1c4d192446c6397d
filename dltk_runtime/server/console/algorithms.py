"""The pages of algorithms: what each is for, its contract, and a form that writes its search."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.notebook.algorithm import CALLS, REQUIRED
from dltk_runtime.notebook.catalogue import CatalogueEntry
from dltk_runtime.notebook.clause import WrittenSearch
from dltk_runtime.notebook.declaration import Parameter
from dltk_runtime.server import searches
from dltk_runtime.server.console.entrance import Entrance, Handler
from dltk_runtime.server.console.session import Visitor
from dltk_runtime.server.v1_routes import V1Api

PAGE = "/ui/algorithms/{algorithm}"
STEPS = {"int": "1", "float": "any"}  # of the fields for numbers


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form.

    Attributes:
        name: as the query of the page has it.
        value: what was sent, else the default.
        options: values of a list to choose from, with what they are called; none for other fields.
        step: of a field for numbers; empty for text.
        low, high: the least and the highest number that it takes; empty without one.
        bounds: those that the parameter has, in words.
    """

    name: str
    label: str
    value: str
    help: str
    default: str = ""
    options: tuple[tuple[str, str], ...] = ()
    step: str = ""
    low: str = ""
    high: str = ""
    bounds: str = ""
    invalid: bool = False


class Algorithms:
    """The pages, bound to the operations of `/v1`."""

    def __init__(self, api: V1Api, entrance: Entrance) -> None:
        self._api = api
        self._entrance = entrance

    def reading(self) -> dict[str, Handler]:
        """Return the pages by path."""
        return {"/ui/algorithms": self.all, PAGE: self.one}

    async def all(self, request: Request, visitor: Visitor) -> Response:
        """Show all algorithms."""
        return self._entrance.page("algorithms.html", visitor, found=await self._api.algorithms(request))

    async def one(self, request: Request, visitor: Visitor) -> Response:
        """Show one algorithm: what it is for, its contract, its models, and the form."""
        entry = await self._api.algorithm(request)
        models = [each for each in (await self._api.models(request)).models if each.algorithm == entry.name]
        query, written = request.query_params, await self._api.search(request)
        return self._entrance.page(
            "algorithm.html",
            visitor,
            entry=entry,
            contract=_contract(entry),
            models=models,
            written=written,
            problems=written.problems if query else [],  # nothing is filled in yet
            fields=[_field(each, query.get(f"{searches.PREFIX}{each.name}"), written) for each in _declared(entry)],
            others={name: query.get(name, "") for name in ("target", "fields", "model")},
        )


def _declared(entry: CatalogueEntry) -> tuple[Parameter, ...]:
    return entry.parameters or ()


def _contract(entry: CatalogueEntry) -> list[tuple[str, str, str]]:
    """Return each function of the contract: how it is called, whether a notebook needs it, where it is."""
    return [
        (f"{name}({', '.join(arguments)})", "needed" if name in REQUIRED else "optional", entry.places.get(name, ""))
        for name, arguments in CALLS.items()
    ]


def _field(parameter: Parameter, sent: str | None, written: WrittenSearch) -> FormField:
    default = _text(parameter.default)
    return FormField(
        name=f"{searches.PREFIX}{parameter.name}",
        label=parameter.name,
        value=default if sent is None else sent,
        help=parameter.help,
        default=default,
        options=_options(parameter, default),
        step=STEPS.get(parameter.kind, ""),
        low=_text(parameter.bounds.ge),
        high=_text(parameter.bounds.le),
        bounds=str(parameter.bounds),
        invalid=parameter.name in written.invalid,
    )


def _options(parameter: Parameter, default: str) -> tuple[tuple[str, str], ...]:
    values = [*map(_text, parameter.choices)] or (["true", "false"] if parameter.kind == "bool" else [])
    if values and parameter.default is None:
        values = ["", *values]
    return tuple((value, f"{value or 'not set'}{' (default)' if value == default else ''}") for value in values)


def _text(value: object) -> str:
    """Return a value as a search has it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
