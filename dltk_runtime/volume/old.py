"""The models of an old container's volume, by the names of its files.

A DSDL container passes ``<algorithm>_<model>`` to `save`, which adds whatever it likes. So a name
alone does not say where the algorithm ends, nor whether the rest belongs to the model's name::

    umap_default_scaler.pkl     model default_scaler of umap, or a second file of its model default

Each reading is a candidate, and which ones are models is known once they were loaded: `examine`. Of
two algorithms whose names begin it, the longer one counts, unless the other one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.errors import NameInvalid
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths

NOTEBOOKS = "notebooks"
DEFAULT_MODEL = "default"  # of a fit without `into`


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be a model: its name, and its files and folders in the models' folder.

    Without files it stands for an algorithm that has no model there; `name` is then that of a fit without ``into``.
    """

    name: ModelName
    files: tuple[str, ...] = ()


def paths_of(volume: Path) -> Paths:
    """Return the folders of a volume that was ``/srv`` of a container."""
    return Paths(volume, volume / NOTEBOOKS)


def candidates(paths: Paths, wanted: Iterable[ModelName] = ()) -> list[Candidate]:
    """Return every candidate of a volume, the algorithms without a model, and the models `wanted`, by name."""
    names = algorithm.algorithms(paths)
    files: dict[ModelName, list[str]] = {name: [] for name in wanted}
    for entry in model_files(paths):
        named = {name for name in files if entry.startswith(name.legacy) and _ends(entry, name.legacy)}
        if (read := reading(entry, names)) is not None:
            named.add(read)
        for name in named:
            files.setdefault(name, []).append(entry)
    for name, own in files.items():
        own += [each for each in _of_longer_names(name, files) if each not in own]
    fitted = {name.algorithm for name in files}
    unused = (each for each in names if each not in fitted)
    found = [Candidate(name, tuple(own)) for name, own in files.items()]
    return sorted([*found, *_without_model(unused)], key=lambda each: each.name)


def model_files(paths: Paths) -> list[str]:
    """Return the names of all files and folders in the models' folder, sorted; no hidden ones."""
    return sorted(
        name
        for name in atomic.names_in(paths.models)
        if not name.startswith((".", "__")) and name != paths.versions.name
    )


def unclaimed(paths: Paths, found: Sequence[Candidate]) -> list[str]:
    """Return the files that no candidate has: those of algorithms that the volume lacks."""
    claimed = {file for each in found for file in each.files}
    return [file for file in model_files(paths) if file not in claimed]


def reading(entry: str, algorithms: Iterable[str]) -> ModelName | None:
    """Return the model that a file is of, by its name: of two algorithms, the longer one counts."""
    for each in sorted(algorithms, key=len, reverse=True):
        if entry.startswith(each + "_"):
            with suppress(NameInvalid):
                return ModelName(each, _identifier(entry[len(each) + 1 :]))
    return None


def _ends(entry: str, name: str) -> bool:
    """Return whether a model's name ends there in a file's name."""
    return not _identifier(entry[len(name) :])


def _identifier(text: str) -> str:
    """Return the beginning of a text that can be a model's name."""
    end = next((place for place, char in enumerate(text) if not (char.isalnum() or char == "_")), len(text))
    return text[:end]


def _of_longer_names(name: ModelName, files: dict[ModelName, list[str]]) -> list[str]:
    longer = (each for each in files if each.algorithm == name.algorithm and each.model.startswith(name.model + "_"))
    return [file for each in longer for file in files[each]]


def _without_model(algorithms: Iterable[str]) -> Iterator[Candidate]:
    for each in algorithms:
        with suppress(NameInvalid):
            yield Candidate(ModelName(each, DEFAULT_MODEL))
