"""`mode=register`: give Splunk its entry for a model that the container has already; nothing is trained.

Splunk writes the entry of a model after any answer to a fit, also one without results. So a search
head that does not know a model, or has another app's entry for it, gets one at the cost of this
answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.access.holder import Right
from dltk_runtime.apply import damage
from dltk_runtime.call import Call, Request
from dltk_runtime.errors import AlgorithmMissing, OptionInvalid
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelStore, Version

NO_NAME = "with 'into app:NAME', for which Splunk then makes the entry"


@dataclass(frozen=True, slots=True)
class Registered:
    """The result: the model, the version that its applies use, and warnings without a full stop.

    Number 0 stands for the files of an old volume, or for a model without any.
    """

    name: ModelName
    number: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registering:
    """Registers models of one store; writes nothing."""

    store: ModelStore
    paths: Paths

    def register(self, request: Request, call: Call) -> Registered:
        """Check that applies of this search will find the model; reads the disk.

        Raises:
            OptionInvalid, AlgorithmMissing, NameInvalid: the search names no model or no algorithm.
            NotebookError: there is neither a version nor a notebook of that name.
            StoreError: no version of the model can serve.
        """
        if not request.named:
            raise OptionInvalid("mode", "register", NO_NAME)
        if request.algorithm is None:
            raise AlgorithmMissing(None)
        name = ModelName(request.algorithm, request.model)
        call.facts.algorithm, call.facts.model = name.algorithm, name.model
        call.holder.check(Right.FIT, name)
        serving = self.store.choose(name)
        if serving.version.number == 0:
            self.store.check_absence(name)
            algorithm.find(name.algorithm, self.paths)
        call.facts.version = serving.version.number
        warnings = (damage.warning(serving), _other_fields(request, serving.version))
        return Registered(name, serving.version.number, tuple(filter(None, warnings)))


def _other_fields(request: Request, version: Version) -> str:
    """Return a warning when the search names other fields than the version was fitted on, or ""."""
    if not version.number:
        return ""
    manifest = version.manifest()
    fitted = [each.name for each in manifest.features if each.name not in manifest.targets]
    sent = request.meta.get("feature_variables")
    asked = [str(name) for name in sent] if isinstance(sent, list) else []
    if set(asked) == set(fitted) and request.targets == manifest.targets:
        return ""
    return (
        f"version {version.number} was fitted on {_fields(fitted, manifest.targets)}, and the entry names "
        f"{_fields(asked, request.targets)}: name the same fields"
    )


def _fields(features: list[str], targets: list[str]) -> str:
    return f"{' '.join(targets)} from {' '.join(features)}" if targets else " ".join(features)
