"""The identity of a model. Names from the network become paths only through these types.

The name of an algorithm is the name of a notebook's file, so it may contain dashes, blanks and
letters of any script; the names of models are Splunk's. On disk an algorithm has its `quoted` form::

    umap ── umap        my algo ── my~20algo        größe ── gr~c3~b6~c3~9fe
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from dltk_runtime.errors import NameInvalid

STATUS = "dltk_status"  # the algorithm and model by which a search asks for the container's status
# The columns of the status, in the order of the answer; a search without a target has the first as predicted_kind.
STATUS_COLUMNS = (
    "kind",  # container, job, model, version or drift
    "algorithm",
    "model",
    "version",  # that the job made; of a model the current one; of drift the one that is judged
    "state",
    "job",
    "time",  # UTC: of this row, of the job's creation, of the version's commit
    "seconds",  # that the job ran, or runs
    "rows",  # that were fitted; of drift those judged
    "step",  # of `total`; of drift the rows counted since, of those until it is judged
    "total",
    "metrics",  # of a job "f1=0.93 loss=0.2", of its newest step; of a model "train f1=0.93; holdout f1=0.9 (40 rows)"
    "drift",  # population stability index by the last rows judged, of a model the highest of a feature
    "feature",  # which one that is
    "message",
    "health",  # of a model: good, note, warning or bad
    "reasons",  # for it
)
MAX_NAME_LENGTH = 128  # characters; leaves room for a suffix in a file name of 255 bytes
MAX_QUOTED_LENGTH = 200  # bytes of an algorithm's name in its form on disk
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)  # algorithms that are their own form on disk
_UNQUOTED = re.compile(rb"[^A-Za-z0-9_-]")
_QUOTED = re.compile(r"~([0-9a-f]{2})")
# Letters and marks that no font shows: names that look equal would differ.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """The algorithm and the model name of a search.

    Raises:
        NameInvalid: `algorithm` is not as `checked_algorithm` says, or `model` not as `checked` says.
    """

    algorithm: str
    model: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithm", checked_algorithm(self.algorithm))
        checked("model", self.model)

    @classmethod
    def of_folder(cls, folder: str, model: str) -> ModelName:
        """Return the name whose `folder` is the given one.

        Raises:
            NameInvalid: no algorithm has this folder.
        """
        name = cls(_unquote(folder), model)
        if name.folder != folder:
            raise NameInvalid("algorithm", folder)
        return name

    def __str__(self) -> str:
        return f"{self.algorithm}/{self.model}"

    @property
    def folder(self) -> str:
        """The algorithm's form on disk: ASCII letters, digits and ``_-~`` only."""
        return quoted(self.algorithm)

    @property
    def file(self) -> str:
        """The name of a version's files, without suffix: ``umap_default``."""
        return f"{self.folder}_{self.model}"

    @property
    def legacy(self) -> str:
        """The name that a DSDL container passes to ``save`` and ``load``: ``umap_default``."""
        return f"{self.algorithm}_{self.model}"


def checked(kind: str, name: str) -> str:
    """Return `name` if it is valid; `kind` is its kind in the error's text ("a model").

    Raises:
        NameInvalid: `name` is not ``[A-Za-z_][A-Za-z0-9_]*`` of at most 128 characters.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise NameInvalid(kind, name)
    return name


def checked_algorithm(name: str) -> str:
    """Return the name of an algorithm in Unicode's form NFC.

    It consists of letters of any script with their marks, of ASCII digits, underscores, dashes and
    blanks. It begins with a letter, digit or underscore and not with two underscores, as modules
    of Python do, and does not end with a blank.

    Raises:
        NameInvalid: it is another one, or longer than 128 characters or `MAX_QUOTED_LENGTH`.
    """
    if len(name) <= MAX_NAME_LENGTH:
        if _PLAIN.fullmatch(name) and not name.startswith("__"):  # nearly every name
            return name
        normal = unicodedata.normalize("NFC", name)
        decomposed = unicodedata.normalize("NFD", name)
        # Neither form: a look-alike such as the Kelvin sign, which becomes another character.
        if name in (normal, decomposed) and _is_algorithm(normal):
            return normal
    raise NameInvalid("algorithm", name, _beyond_the_rule(name))


def quoted(algorithm: str) -> str:
    """Return the form of a valid algorithm's name on disk; two names never share one."""
    if _PLAIN.fullmatch(algorithm):
        return algorithm
    return _UNQUOTED.sub(lambda found: b"~%02x" % found[0][0], algorithm.encode()).decode("ascii")


def _is_algorithm(name: str) -> bool:
    return _is_spelt(name) and len(quoted(name)) <= MAX_QUOTED_LENGTH


def _is_spelt(name: str) -> bool:
    if not name or name.startswith("__") or name[0] in "- " or name[-1] == " " or _is_mark(name[0]):
        return False
    if _INVISIBLE.search(name):
        return False
    return all(each in "_- 0123456789" or each.isalpha() or _is_mark(each) for each in name)


def _beyond_the_rule(name: str) -> str:
    """Return what is wrong with a name, where the rule that the error names allows it; empty otherwise."""
    if name.startswith("__"):
        return "starts with two underscores, as Python's own do"
    if name.endswith(" "):
        return "ends with a blank"
    if _INVISIBLE.search(name):
        return "has a character that no font shows"
    if len(name) <= MAX_NAME_LENGTH and _is_spelt(name) and len(quoted(name)) > MAX_QUOTED_LENGTH:
        return f"takes more than {MAX_QUOTED_LENGTH} bytes on disk"
    return ""


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _unquote(folder: str) -> str:
    data = _QUOTED.sub(lambda found: chr(int(found[1], 16)), folder)
    try:
        return data.encode("latin-1").decode()
    except UnicodeError as error:
        raise NameInvalid("algorithm", folder) from error


@dataclass(frozen=True, slots=True, order=True)
class VersionId:
    """The identity of one version of a model; `number` is 0 for files without a committed version."""

    name: ModelName
    number: int

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    @property
    def algorithm(self) -> str:
        return self.name.algorithm

    @property
    def model(self) -> str:
        return self.name.model

    @property
    def version(self) -> int:
        return self.number
