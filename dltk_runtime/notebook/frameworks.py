"""The libraries that notebooks use, each named once, with what the runtime has to know of it."""

from __future__ import annotations

from enum import Flag, auto
from typing import NamedTuple


class Trait(Flag):
    """What the runtime has to know of a library."""

    RECORDED = auto()  # each version records its release
    SLOW_IMPORT = auto()  # spare workers import it before a request arrives
    DEEP_LEARNING = auto()  # its models are large, and applying one does not change it
    GPU_TRAINING = auto()  # trains on a GPU without being asked to


class Library(NamedTuple):
    """One library. `distributions` are its names in package metadata, if not `module`."""

    module: str
    traits: Trait
    distributions: tuple[str, ...] = ()

    @property
    def distribution_names(self) -> tuple[str, ...]:
        """The names under which package metadata may know it."""
        return self.distributions or (self.module,)


_DEEP = Trait.RECORDED | Trait.SLOW_IMPORT | Trait.DEEP_LEARNING | Trait.GPU_TRAINING
_CLASSICAL = Trait.RECORDED | Trait.SLOW_IMPORT

# In the order in which spare workers import them.
LIBRARIES = (
    Library("numpy", Trait.RECORDED),
    Library("pandas", Trait.RECORDED),
    Library("torch", _DEEP),
    Library("tensorflow", _DEEP, ("tensorflow", "tensorflow-cpu")),
    Library("keras", _DEEP),
    Library("sklearn", _CLASSICAL, ("scikit-learn",)),
    Library("scipy", _CLASSICAL),
    Library("xgboost", _CLASSICAL | Trait.GPU_TRAINING, ("xgboost", "xgboost-cpu")),
    Library("lightgbm", Trait.SLOW_IMPORT),
    Library("statsmodels", Trait.SLOW_IMPORT),
    Library("transformers", Trait.SLOW_IMPORT | Trait.DEEP_LEARNING | Trait.GPU_TRAINING),
    Library("networkx", Trait.SLOW_IMPORT),
    Library("matplotlib", Trait.SLOW_IMPORT),
    Library("seaborn", Trait.SLOW_IMPORT),
    Library("plotly", Trait.SLOW_IMPORT),
    Library("dask", Trait.SLOW_IMPORT),
    Library("ray", Trait.SLOW_IMPORT),
    Library("jax", Trait.DEEP_LEARNING),
    Library("cloudpickle", Trait.RECORDED),
)


def _modules(trait: Trait) -> tuple[str, ...]:
    return tuple(library.module for library in LIBRARIES if trait in library.traits)


SLOW_IMPORTS = _modules(Trait.SLOW_IMPORT)
DEEP_LEARNING = frozenset(_modules(Trait.DEEP_LEARNING))
GPU_TRAINING = frozenset(_modules(Trait.GPU_TRAINING))
RECORDED = tuple(library for library in LIBRARIES if Trait.RECORDED in library.traits)
