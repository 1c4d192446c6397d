"""The model that a worker has loaded for applies: with its code, its parameters, and the fields of its fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import Algorithm
from dltk_runtime.notebook.file_names import file_name
from dltk_runtime.notebook.source import unpack
from dltk_runtime.tables.feature import Feature
from dltk_runtime.tables.result_column import ResultColumn
from dltk_runtime.worker.code import LoadedCode
from dltk_runtime.worker.door import Visit
from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.fit import Meta
from dltk_runtime.worker.messages import ErrorReport, Load, Loaded
from dltk_runtime.worker.model import Pristine, own_copy, read_pickle
from dltk_runtime.worker.phase import Phases


class LoadedModel:
    """A model and its code.

    Attributes:
        model: the model; None before `load`.
        features: that it was fitted on, without targets.
        outputs: the columns of the results at the fit, in their order.
        row_wise: whether requests may be applied together.
    """

    def __init__(self, code: LoadedCode, phases: Phases, settle: Callable[[], None]) -> None:
        """Prepare; `settle` undoes what a call changed around it, such as the working directory."""
        self._code = code
        self._phases = phases
        self._settle = settle
        self._pristine: Pristine | None = None
        self._targets: tuple[str, ...] = ()
        self.model: Any = None
        self.features: tuple[Feature, ...] = ()
        self.outputs: tuple[ResultColumn, ...] = ()
        self.row_wise = False

    @property
    def algorithm(self) -> Algorithm:
        """The loaded code.

        Raises:
            PhaseFailed: none is loaded.
        """
        if self._code.algorithm is None:
            raise PhaseFailed(ErrorReport("load", "no model is loaded"))
        return self._code.algorithm

    def load(self, request: Load) -> Loaded:
        """Load the model with the notebook's code, or with the version's if that fails."""
        self._targets, self.features, self.outputs = request.targets, request.features, request.outputs
        pinned = request.pinned and request.code
        try:
            self._load(request, kept=Path(request.code) if pinned else None)
            notice = ""
        except PhaseFailed as failure:
            if pinned or not request.code:
                raise
            self._load_with_kept_code(request, failure)
            notice = str(failure.report)
        self._pristine = Pristine(self.model)
        self.row_wise = request.row_wise and self.algorithm.row_wise and self._code_is(Path(request.code))
        return Loaded(states=tuple(self._code.states), notice=notice, row_wise=self.row_wise)

    def load_code(self, name: str, kept: Path | None) -> Algorithm:
        """Load the notebook's code, or the code `kept` with a version.

        Raises:
            PhaseFailed: it does not load.
        """
        with self._phases.entered("code"):
            return self._code.load(name, kept)

    def copy(self, *, again: bool) -> Any:
        """Return the model as it was loaded for a call, also `again` after another one of the same request."""
        if again:
            self._settle()
            self.restore()
        return own_copy(self.model)

    def restore(self) -> None:
        """Undo what an apply changed in the model."""
        if self._pristine is not None:
            self.model = self._pristine.restored(self.model)

    def meta(self, text: bytes, visit: Visit | None = None) -> tuple[Meta, tuple[str, ...]]:
        """Decode the `meta` of an apply; returns warnings of invalid parameters, too.

        Adds typed parameters, and the fit's target, which some notebooks read. A search repeats
        the parameters of the fit, which an edit of the notebook may have made invalid.
        """
        meta: Meta = json.loads(text)
        if visit is not None:
            visit.add_to(meta)
        if self._targets:
            meta.setdefault("target_variables", list(self._targets))
        return meta, parameters.add_parameters(meta, self.algorithm.parameters).all

    def _load(self, request: Load, kept: Path | None) -> None:
        algorithm = self.load_code(request.algorithm, kept)
        if request.kept_model:
            self.model = self._phases.call("load", read_pickle, request.kept_model)
        elif algorithm.load is None:
            raise PhaseFailed(ErrorReport("load", f"the notebook '{request.algorithm}' defines no load function"))
        else:
            self.model = self._phases.call("load", algorithm.load, file_name(request.load_name))

    def _load_with_kept_code(self, request: Load, failure: PhaseFailed) -> None:
        """Load the model with the version's code.

        Raises:
            PhaseFailed: `failure`, which the author can fix, if that code fails, too.
        """
        states = self._code.states
        try:
            self._load(request, kept=Path(request.code))
        except PhaseFailed:
            raise failure from None
        self._code.depend_on(states)  # the next change of the notebook replaces the kept code

    def _code_is(self, kept: Path) -> bool:
        """Return whether the loaded code is that of the version: nobody has checked an edited notebook."""
        try:
            known, ours = unpack(kept.read_bytes()), unpack(self._code.packed())
        except (OSError, StoreDamaged):
            return False
        return {(each.path, each.sha256) for each in ours} <= {(each.path, each.sha256) for each in known}
