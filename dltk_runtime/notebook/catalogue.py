"""Describe algorithms for their users, from the notebook's text alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.notebook.algorithm import contract_of, declaration, source_of
from dltk_runtime.notebook.cells import introduction
from dltk_runtime.notebook.declaration import Parameter, declared
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import Paths

_SEARCH = re.compile(r"^```\w*\n(.*?)\n```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """The description of one algorithm.

    Attributes:
        about: The first paragraph of the notebook.
        searches: The example searches of its first cell.
        parameters: None if the notebook declares none and therefore accepts any.
        places: Where each of the functions is defined, and the parameters: notebook, cell, line.
    """

    name: str
    path: str
    title: str
    about: str
    searches: tuple[str, ...]
    functions: tuple[str, ...]
    parameters: tuple[Parameter, ...] | None
    problems: tuple[str, ...]
    places: dict[str, str] = field(default_factory=dict)


def entry(algorithm: str, paths: Paths) -> CatalogueEntry:
    """Read the description of an algorithm from its notebook.

    Raises:
        AlgorithmUnknown: there is no such notebook.
        NotebookUnreadable: the file is not a notebook.
    """
    source = source_of(algorithm, paths)
    contract = contract_of(source)
    text = introduction(Path(source.origin)) if source.origin.endswith(".ipynb") else ""
    heading, _, rest = text.partition("\n") if text.startswith("#") else ("", "", text)
    return CatalogueEntry(
        name=algorithm,
        path=source.path,
        title=heading.lstrip("# ").strip(),
        about=" ".join(rest.strip().partition("\n\n")[0].split()),
        searches=tuple(each for each in _SEARCH.findall(text) if each.lstrip().startswith("|")),
        functions=tuple(contract.functions),
        parameters=parameters_of(source),
        problems=contract.problems,
        places={name: str(place) for name, place in {**contract.functions, **declaration(source)}.items()},
    )


def parameters_of(source: Source) -> tuple[Parameter, ...] | None:
    """Return the declared parameters; None without a declaration, or if it does not compile."""
    try:
        return declared(source.parameters.source) if source.parameters else None
    except (SyntaxError, ValueError):  # reported by `check`
        return None


def markdown(entries: Iterable[CatalogueEntry]) -> str:
    """Format the table of algorithms that the documentation shows."""
    rows = [
        (f"`{each.name}`", _cell(each.title), ", ".join(f"`{parameter.name}`" for parameter in each.parameters or ()))
        for each in entries
    ]
    lines = ["| algorithm | what it is | parameters |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(cells)} |" for cells in rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
