"""The order of a run, and the checks before it begins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.batch.document import FIT, RUN
from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.batch.secrets import is_secret, resolve
from dltk_runtime.fit.options import FitOptions, fit_options
from dltk_runtime.names import MAX_NAME_LENGTH, ModelName, checked
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import contract_of, find
from dltk_runtime.notebook.cells import tagged_cells
from dltk_runtime.notebook.declaration import Value, declared
from dltk_runtime.notebook.errors import AlgorithmInvalid
from dltk_runtime.notebook.source import Source, is_name, read_source
from dltk_runtime.paths import Paths
from dltk_runtime.scrub import Scrubber

STAGED = "staged:"
SUFFIXES = (".csv", ".parquet", ".arrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run.

    `notebook` is the name of an algorithm or any notebook's file; `data` a CSV or parquet file, an
    Arrow stream, or ``staged:NAME``, or "" for a notebook that finds its own. `mode` is ``run`` (all cells), ``fit``
    or ``apply`` (the algorithm alone). `features` are names and globs of columns; none means all but
    the target. `keep` are those of columns that stand before the results in `out`. `deadline` is in
    seconds.
    """

    notebook: str
    data: str = ""
    mode: str = RUN
    parameters: Mapping[str, str] = field(default_factory=dict)
    model: str = "default"
    target: str | None = None
    features: tuple[str, ...] = ()
    out: Path | None = None
    keep: tuple[str, ...] = ()
    html: Path | None = None
    executed: Path | None = None
    deadline: float = 86400.0
    retries: int = 1
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked order: `values` and `secrets` are parameters, `options` those of the runtime.

    `plain` says that the notebook is no algorithm: its cells run, and nothing else is done.
    """

    order: Order
    name: ModelName
    source: Source
    data: Path | None
    staged_meta: Path | None
    values: Mapping[str, Value]
    secrets: Mapping[str, str]
    options: FitOptions
    plain: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def texts(self) -> dict[str, str]:
        """The parameters as they were given: secrets by their names."""
        return dict(self.order.parameters)


def prepare(order: Order, paths: Paths, holdout: float = 0.0) -> Prepared:
    """Check an order before anything runs; `holdout` is the share where it names none.

    Raises:
        ParametersInvalid: the notebook does not declare a parameter, or not with this type.
        BatchInvalid: data or a secret is missing, or options contradict each other.
        OptionInvalid: `promote` or `holdout` is invalid.
        NotebookError, NameInvalid: there is no such notebook, or it is not an algorithm.
    """
    path = Path(order.notebook).absolute() if order.notebook.endswith(".ipynb") else find(order.notebook, paths)
    if path.suffix != ".ipynb":
        raise BatchInvalid(f"{path} is not a notebook: papermill runs .ipynb files only.")
    if order.resume and order.executed is None:
        raise BatchInvalid("--resume needs --notebook: the executed notebook of the run that failed.")
    if order.out is not None and order.out.suffix not in SUFFIXES:
        raise BatchInvalid(f"{order.out}: results are written as {' or '.join(SUFFIXES)}.")
    source = read_source(path, paths.notebooks)
    problems = contract_of(source).problems
    if problems and order.mode != RUN:
        raise AlgorithmInvalid(source.name, problems)
    if order.mode != RUN and not order.data:
        raise BatchInvalid("--fit and --apply need rows: --data or --from-search.")
    if problems and (order.out is not None or order.keep):
        raise BatchInvalid(f"--out needs an algorithm: {problems[0]}. Without --out the notebook runs as it is.")
    if order.keep and order.out is None:
        raise BatchInvalid("--keep needs --out: the file whose columns it adds.")
    values, secrets = _parameters(order, source)
    data, meta = _data(order.data, paths) if order.data else (None, None)
    options = _options(order, values, data, holdout if order.mode == FIT and _has_target(order, meta) else 0.0)
    return Prepared(
        order,
        ModelName(source.name if is_name(source.name) else _as_name(source.name), order.model),
        source,
        data,
        meta,
        values,
        secrets,
        options,
        bool(problems),
        tuple(_second_parameters(source)),
    )


def _as_name(text: str) -> str:
    """Return a name for the job of a notebook whose own cannot be an algorithm's."""
    return "notebook_" + re.sub(r"[^A-Za-z0-9_]", "_", text)[: MAX_NAME_LENGTH // 2]


def _second_parameters(source: Source) -> Iterator[str]:
    """Say which cells tagged ``parameters`` run after the given parameters, and may undo them."""
    for number in tagged_cells(Path(source.origin), "parameters")[1:]:
        yield (
            f"cell {number} is tagged parameters, too: it runs after the values of -p are set, and sets its own. "
            "Remove one of the tags"
        )


def _parameters(order: Order, source: Source) -> tuple[dict[str, Value], dict[str, str]]:
    known = declared(source.parameters.source) if source.parameters else ()
    secrets = {name: resolve(name, text) for name, text in order.parameters.items() if is_secret(text)}
    if order.mode == RUN and not known:  # as papermill: any parameter, in a cell at the top
        own = {name: text for name, text in order.parameters.items() if name not in parameters.RUNTIME_PARAMETERS}
        return {name: _typed(text) for name, text in own.items() if name not in secrets}, secrets
    values, wrong = parameters.values({**order.parameters, **secrets}, known)
    parameters.refuse(source.name, [Scrubber(secrets.values()).text(each) for each in wrong.all], known)
    return {name: values[name] for name in order.parameters if name in values}, secrets


def _typed(text: str) -> Value:
    """Return the value that a text means where no type is declared: a number, true, false, none or text."""
    words: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _has_target(order: Order, staged_meta: Path | None) -> bool:
    """Return whether a fit has a target: the order's own, or that of the staging search."""
    if staged_meta is None:
        return bool(order.target)
    with suppress(OSError, ValueError):  # reading the data says so
        return bool(json.loads(staged_meta.read_bytes()).get("target_variables"))
    return False


def _options(order: Order, declared: Mapping[str, Value], data: Path | None, holdout: float) -> FitOptions:
    """Read the runtime's own parameters: `promote` and, with mode ``fit``, `holdout`."""
    given = order.parameters
    own = {name: given[name] for name in parameters.RUNTIME_PARAMETERS if name in given and name not in declared}
    taken = {"promote", "holdout"} if order.mode == FIT else {"promote"}
    if others := sorted(own.keys() - taken):
        raise BatchInvalid(
            f"A batch run takes no {', '.join(others)}: of the runtime's own parameters it takes promote and, with "
            "--fit, holdout."
        )
    options = fit_options(own, holdout)
    if "holdout" in own and options.holdout and data is not None and data.suffix != ".csv":
        # As CSV its values may differ in the last digit, and then other rows would be held out.
        raise BatchInvalid(f"holdout={own['holdout']} needs the rows as .csv, not {data.suffix}.")
    return options


def _data(text: str, paths: Paths) -> tuple[Path, Path | None]:
    """Return the file with the rows, and the one with their `meta` if a search staged them."""
    if text.startswith(STAGED):
        name = text.removeprefix(STAGED)
        folder, _, last = name.rpartition("/")
        stem = paths.staged.joinpath(*folder.split("/") if folder else ()) / checked("staged data", last)
        data, meta = stem.with_suffix(".csv"), stem.with_suffix(".json")
    else:
        data, meta = Path(text).absolute(), None
    if data.suffix not in SUFFIXES:
        raise BatchInvalid(f"{data}: data must be a file that ends in {' or '.join(SUFFIXES)}, or {STAGED}NAME.")
    for path in filter(None, (data, meta)):
        if not path.is_file():
            raise BatchInvalid(f"There is no file {path}.")
    return data, meta
