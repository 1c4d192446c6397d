"""The order of a run, and the checks before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.batch.document import FIT, RUN
from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.batch.scrub import is_secret, resolve
from dltk_runtime.fit.options import FitOptions, fit_options
from dltk_runtime.names import ModelName, checked
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import contract_of, find
from dltk_runtime.notebook.declaration import Value, declared
from dltk_runtime.notebook.errors import AlgorithmInvalid
from dltk_runtime.notebook.source import Source, read_source
from dltk_runtime.paths import Paths
from dltk_runtime.texts import Scrubber

STAGED = "staged:"
SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run.

    `notebook` is the name of an algorithm or a file; `data` a CSV or parquet file, or
    ``staged:NAME``. `mode` is ``run`` (all cells), ``fit`` or ``apply`` (the algorithm alone).
    `features` are names and globs of columns; none means all but the target. `deadline` is in
    seconds.
    """

    notebook: str
    data: str
    mode: str = RUN
    parameters: Mapping[str, str] = field(default_factory=dict)
    model: str = "default"
    target: str | None = None
    features: tuple[str, ...] = ()
    out: Path | None = None
    executed: Path | None = None
    deadline: float = 86400.0
    retries: int = 1
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked order: `values` and `secrets` are parameters, `options` those of the runtime."""

    order: Order
    name: ModelName
    source: Source
    data: Path
    staged_meta: Path | None
    values: Mapping[str, Value]
    secrets: Mapping[str, str]
    options: FitOptions

    @property
    def texts(self) -> dict[str, str]:
        """The parameters as they were given: secrets by their names."""
        return dict(self.order.parameters)


def prepare(order: Order, paths: Paths) -> Prepared:
    """Check an order before anything runs.

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
    if problems := contract_of(source).problems:
        raise AlgorithmInvalid(source.name, problems)
    values, secrets = _parameters(order, source)
    data, meta = _data(order.data, paths)
    options = _options(order, values, data)
    return Prepared(order, ModelName(source.name, order.model), source, data, meta, values, secrets, options)


def _parameters(order: Order, source: Source) -> tuple[dict[str, Value], dict[str, str]]:
    known = declared(source.parameters.source) if source.parameters else ()
    secrets = {name: resolve(name, text) for name, text in order.parameters.items() if is_secret(text)}
    values, wrong = parameters.values({**order.parameters, **secrets}, known)
    parameters.refuse(source.name, [Scrubber(secrets.values()).text(each) for each in wrong.all], known)
    return {name: values[name] for name in order.parameters if name in values}, secrets


def _options(order: Order, declared: Mapping[str, Value], data: Path) -> FitOptions:
    """Read the runtime's own parameters: `promote` and, with mode ``fit``, `holdout`."""
    given = order.parameters
    own = {name: given[name] for name in parameters.RUNTIME_PARAMETERS if name in given and name not in declared}
    taken = {"promote", "holdout"} if order.mode == FIT else {"promote"}
    if others := sorted(own.keys() - taken):
        raise BatchInvalid(
            f"A batch run takes no {', '.join(others)}: of the runtime's own parameters it takes promote and, with "
            "--fit, holdout."
        )
    options = fit_options(own)
    if options.holdout and data.suffix != ".csv":
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
