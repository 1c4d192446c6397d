"""What becomes of an old model here, from what happened when it was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dltk_runtime.volume import libraries
from dltk_runtime.volume.formats import Format
from dltk_runtime.worker.messages import ErrorReport

MAX_SENTENCE_CHARACTERS = 300  # of an error in a line of the table
_WARNED = "InconsistentVersionWarning"  # scikit-learn's, which a worker prints
_OTHER_VERSION = "from version "
_NO_MODULE, _NO_NAME = "No module named ", "cannot import name "
_HELPERS = "app.model"  # the package of a volume's modules
_NO_FILE_TEXTS = ("no such file", "file not found", "no file or directory found")  # libraries have types of their own
_OWN_MODULES = ("app", "__main__")  # code of the volume, not of a library


class ModelVerdict(StrEnum):
    """What becomes of a model; the texts are those of the table."""

    LOADS = "loads"
    REFIT = "refit"
    COMPAT = "use compat"
    LIBRARY = "a library is missing"
    NO_FILE = "no file"


@dataclass(frozen=True, slots=True)
class Loading:
    """How the loading of a model ended: without an `error` it is loaded.

    `printed` is what the worker wrote meanwhile, warnings among it.
    """

    error: ErrorReport | None = None
    printed: str = ""

    @property
    def no_file(self) -> bool:
        """Whether `load` looked for a file that is not there."""
        if self.error is None:
            return False
        text = self.error.sentence.lower()
        return self.error.kind == "FileNotFoundError" or any(each in text for each in _NO_FILE_TEXTS)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with its reason; the reason of one that loads is a remark or ""."""

    verdict: ModelVerdict
    why: str = ""


def judge(loading: Loading, formats: Sequence[Format]) -> Judged:
    """Judge a model by how its loading ended and by what its files say."""
    written = written_by(formats, loading.printed)
    error = loading.error
    if error is None:
        return Judged(ModelVerdict.LOADS, _differing(written))
    missing = _missing_module(error)
    if missing.partition(".")[0] in _OWN_MODULES:
        return Judged(ModelVerdict.NO_FILE, f"the volume has no module {missing}: {_place(error)}")
    private = missing.startswith("_") and bool(_other_releases(written))  # part of a library, under its own name
    if missing and not private and not libraries.is_installed(missing):
        return Judged(ModelVerdict.LIBRARY, _of_missing(missing))
    if loading.no_file:
        return Judged(ModelVerdict.NO_FILE, _sentence(error))
    return _of_failure(error, written, missing or _blamed_module(error))


def written_by(formats: Sequence[Format], printed: str) -> dict[str, str]:
    """Return the release of each library that wrote the files, by distribution."""
    found = dict(pair for each in formats for pair in each.written_by)
    if _WARNED in printed and "scikit-learn" not in found:
        version = printed.partition(_OTHER_VERSION)[2].partition(" ")[0].rstrip(".")
        if libraries.release(version):
            found["scikit-learn"] = version[:32]
    return found


def _of_failure(error: ErrorReport, written: Mapping[str, str], module: str) -> Judged:
    """Judge an error of `load`: of a library's version, or of the model itself."""
    blamed = libraries.distribution_of(module) if module and _is_library(module) else ""
    for library in [blamed] if blamed else _other_releases(written):
        here, old = libraries.installed(library), written.get(library, "")
        compat = libraries.compat().get(library, "")
        by = f"written by {library} {old}; {here} is here" if old else f"{library} {here} lacks what the file names"
        if _helps(compat, here, old):
            return Judged(ModelVerdict.COMPAT, f"{by}, {compat} in compat: {_sentence(error)}")
        return Judged(ModelVerdict.REFIT, f"{by}: {_sentence(error)}")
    return Judged(ModelVerdict.REFIT, _sentence(error))


def _helps(compat: str, here: str, old: str) -> bool:
    """Return whether the release in compat is the one that wrote the file, or older where that is not known."""
    if old:
        return libraries.release(compat) == libraries.release(old)
    return bool(compat) and libraries.release(compat) < libraries.release(here)


def _other_releases(written: Mapping[str, str]) -> list[str]:
    """Return the libraries that wrote a file in another release than the one here."""
    return [name for name, version in written.items() if _differs(libraries.installed(name), version)]


def _differs(here: str, old: str) -> bool:
    return bool(here) and libraries.release(here) != libraries.release(old)


def _differing(written: Mapping[str, str]) -> str:
    others = (f"written by {name} {written[name]}, read by {libraries.installed(name)}" for name in sorted(written))
    return "; ".join(
        text for name, text in zip(sorted(written), others, strict=True) if name in _other_releases(written)
    )


def _is_library(module: str) -> bool:
    return module.partition(".")[0] not in _OWN_MODULES and libraries.is_installed(module)


def _missing_module(error: ErrorReport) -> str:
    if error.kind == "ModuleNotFoundError":
        return _quoted(error.sentence, _NO_MODULE)
    if error.kind == "ImportError" and _quoted(error.sentence, _NO_NAME, second=True) == _HELPERS:
        return f"{_HELPERS}.{_quoted(error.sentence, _NO_NAME)}"
    return ""


def _blamed_module(error: ErrorReport) -> str:
    """Return the module in which a pickle looked for something that is not there; "" if it is not that."""
    return _quoted(error.sentence, "<module ") or _quoted(error.sentence, _NO_NAME, second=True)


def _quoted(text: str, beginning: str, *, second: bool = False) -> str:
    """Return the quoted word after `beginning`, or with `second` the next one; "" if there is none."""
    words = text.partition(beginning)[2].split("'")
    place = 3 if second else 1
    return words[place] if len(words) > place and words[0] == "" else ""


def _of_missing(module: str) -> str:
    name = libraries.distribution_of(module)
    version = libraries.dsdl().get(libraries.normal(name), "")
    known = f"; {libraries.DSDL_NAME} has {name} {version}" if version else ""
    return f"{module} is not installed{known}"


def _sentence(error: ErrorReport) -> str:
    """Return an error in one line."""
    line = " ".join(error.sentence.split())
    cut = line if len(line) <= MAX_SENTENCE_CHARACTERS else line[:MAX_SENTENCE_CHARACTERS] + "…"
    return f"{cut} {_place(error)}".rstrip()


def _place(error: ErrorReport) -> str:
    return f"(at {error.coordinates})" if error.coordinates else ""
