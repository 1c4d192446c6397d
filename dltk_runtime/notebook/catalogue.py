"""What there is to say of an algorithm to those who want to use it: read from its notebook, nothing of it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.notebook.algorithm import contract_of, find
from dltk_runtime.notebook.parameters import Parameter, declared
from dltk_runtime.notebook.source import Source, first_words, read_source
from dltk_runtime.paths import Paths

_SEARCH = re.compile(r"^```\w*\n(.*?)\n```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One algorithm. `about` is the first paragraph of its notebook and `searches` the ones written there to be copied.

    `parameters` is None for a notebook that declares none and therefore takes any.
    """

    name: str
    path: str
    title: str
    about: str
    searches: tuple[str, ...]
    functions: tuple[str, ...]
    parameters: tuple[Parameter, ...] | None
    problems: tuple[str, ...]


def entry(algorithm: str, paths: Paths) -> Entry:
    """What an algorithm's notebook says of itself.

    Raises:
        AlgorithmUnknown: there is no such notebook.
        NotebookUnreadable: there is a file, but not a notebook in it.
    """
    source = read_source(find(algorithm, paths))
    contract = contract_of(source)
    words = first_words(Path(source.origin)) if source.origin.endswith(".ipynb") else ""
    heading, _, rest = words.partition("\n") if words.startswith("#") else ("", "", words)
    return Entry(
        name=algorithm,
        path=source.path,
        title=heading.lstrip("# ").strip(),
        about=" ".join(rest.strip().partition("\n\n")[0].split()),
        searches=tuple(text for text in _SEARCH.findall(words) if text.lstrip().startswith("|")),
        functions=tuple(contract.functions),
        parameters=parameters_of(source),
        problems=contract.problems,
    )


def parameters_of(source: Source) -> tuple[Parameter, ...] | None:
    """The parameters that a source declares; None without a declaration, and for one that does not compile."""
    try:
        return declared(source.parameters.source) if source.parameters else None
    except (SyntaxError, ValueError):  # `check` says where
        return None


def markdown(entries: Iterable[Entry]) -> str:
    """The table of algorithms in the README."""
    rows = [
        (f"`{each.name}`", _cell(each.title), ", ".join(f"`{parameter.name}`" for parameter in each.parameters or ()))
        for each in entries
    ]
    lines = ["| algorithm | what it is | parameters |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(cells)} |" for cells in rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
