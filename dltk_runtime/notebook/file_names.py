"""The `name` that `save` and `load` get: a prefix before it becomes part of the file's name.

A version's files are in a folder of their own, so the name has slashes. Notebooks put text before
it all the same (``MODEL_DIRECTORY + "model_" + name + ".json"``), which must not name another folder::

    "/data/" + "model_" + name  ──  /data/versions/umap/m/7/model_umap_m

`FileName` does this where texts are added, and in methods of texts. What puts texts together without
asking it, `prefixes` rewrites.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Self

from dltk_runtime.settings import worker_paths

_STANDING_IN = "\ue000file-name\ue001"  # for a name, where a function puts texts together
# Methods of texts whose result is a text of the same meaning.
TEXT_METHODS = frozenset(("capitalize", "casefold", "lower", "lstrip", "removeprefix", "removesuffix", "replace")) | {
    "rstrip",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
}


class FileName(str):
    """A name such as ``versions/umap/m/7/umap_m``, whose prefix is put behind its last slash.

    `models` is the folder that notebooks put before it; of a folder below that one, the slashes
    become ``~``, since there is no such folder in the version's.
    """

    __slots__ = ("_dltk_at", "_dltk_models")  # where the file's own name begins, and that folder
    _dltk_at: int
    _dltk_models: str

    def __new__(cls, text: str, models: str = "", at: int | None = None) -> Self:
        made = super().__new__(cls, text)
        made._dltk_at = text.rfind("/") + 1 if at is None else at
        made._dltk_models = models.rstrip("/") + "/"
        return made

    def __add__(self, right: str) -> FileName:
        again = right._dltk_again() if isinstance(right, FileName) else right
        return FileName(super().__add__(again), self._dltk_models, self._dltk_at)

    def __getattribute__(self, name: str) -> Any:
        """Let a method of texts change the file's own name alone: the folder is no word of the notebook."""
        found = super().__getattribute__(name)
        if name not in TEXT_METHODS:
            return found
        at = self._dltk_at
        folder, own = self[:at], self[at:]
        return lambda *given: FileName(folder + getattr(own, name)(*given), self._dltk_models, at)

    def _dltk_again(self) -> str:
        """Return what follows another `FileName`: the folder stands there once."""
        return "/" * self.startswith("/") + self[self._dltk_at :] if self._dltk_at else str.__str__(self)

    def _dltk_called(self, function: Callable[..., str], *given: Any, **named: Any) -> str:
        """Return what a function makes of texts, this one among them, with its prefix where it belongs."""
        text = function(*map(_stood_in, given), **{key: _stood_in(value) for key, value in named.items()})
        before, found, after = text.partition(_STANDING_IN)
        again = self._dltk_again()
        return before + (self + after.replace(_STANDING_IN, again)) if found else function(*given, **named)

    def _dltk_below(self, folder: Any) -> Any:
        """Return ``folder / self`` of pathlib."""
        return type(folder)(f"{folder}/" + self) if isinstance(folder, PurePath) else folder / self

    def __radd__(self, left: str) -> str:
        if not isinstance(left, str):
            return NotImplemented
        plain = str.__str__(self)
        if self._dltk_at == 0:  # no folder: as in a DSDL container
            return str.__str__(left) + plain
        if left == "/":  # as os.path.join does: the folder follows
            return FileName("/" + plain, self._dltk_models, self._dltk_at + 1)
        folder, file = plain[: self._dltk_at], plain[self._dltk_at :]
        if folder.startswith("/"):
            left, folder = f"{left}/", folder[1:]
        head, slash, prefix = left.rpartition("/")
        if not slash:
            return FileName(f"{folder}{prefix}{file}", self._dltk_models, len(folder))
        head += slash
        if head.startswith(self._dltk_models + folder):  # the name stands in it already
            return f"{head}{prefix}{file}"
        if head.startswith(self._dltk_models):
            below = [each for each in head.removeprefix(self._dltk_models).split("/") if each not in ("", ".")]
            head, prefix = self._dltk_models, "~".join([*below, prefix])
        return f"{head}{folder}{prefix}{file}"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Become an ordinary text in a pickle, which others may read without this package."""
        return str, (str.__str__(self),)


def _stood_in(value: Any) -> Any:
    """Return what stands for a value, or for those of a list, tuple or dict, among texts to be joined."""
    if isinstance(value, FileName):
        return _STANDING_IN
    if type(value) in (list, tuple):
        return type(value)(map(_stood_in, value))
    return {key: _stood_in(each) for key, each in value.items()} if type(value) is dict else value


def file_name(name: str) -> FileName:
    """Return the name of a version's files, as a notebook of this process gets it."""
    return FileName(name, str(worker_paths().models))
