"""Which version answers a request: the current one, or one whose fields the request has.

Splunk keeps a stub of each model, which the last fit wrote, whatever became of that fit. So a
request can have the fields of another version than the current one.

=============================================  ==================================================
the request's fields                           who answers
=============================================  ==================================================
those of the current version                   the current version
some missing, with that fit's own words        the current version; Splunk leaves out a column
(`options.args`)                               that is empty in a whole chunk
some missing, with other words                 the version promoted last that was fitted on just
                                               these or with these words, else the current one
one that the current version does not have     the same, else the version promoted last that has
                                               all of them; without one, the request is refused
=============================================  ==================================================

A client other than Splunk may name a version by its number: any committed one answers, and one
that was never promoted says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from dltk_runtime.call import Request
from dltk_runtime.errors import StoreError
from dltk_runtime.store.fields import fields_of, listed
from dltk_runtime.store.store import Manifest, ModelName, ModelStore, Serving, Version


class FieldsUnknown(StoreError):
    """No promoted version has the fields of a request."""

    http_status = 409

    def __init__(self, asked: Sequence[str], version: Version) -> None:
        known, model = fields_of(version.manifest()), version.name.model
        super().__init__(
            f"The search has the fields {listed(asked, known)}; version {version.number} of model '{model}', the "
            f"current one, was fitted on {listed(known, asked)}, and no promoted version on those of the search. The "
            "last fit, whose fields Splunk keeps, was not promoted, or its version was removed: promote it "
            f"('dltk models show {version.name.algorithm} {model}'), fit again with the fields of the current version, "
            "or use another model name."
        )


@dataclass(frozen=True, slots=True)
class AskedFields:
    """The fields of a request, and the words of the fit that Splunk's stub repeats."""

    fields: tuple[str, ...]
    args: tuple[str, ...]

    @classmethod
    def of(cls, request: Request) -> Self | None:
        """Return what a request asks; None when it names no fields, or none that a fit chose."""
        if not request.fields_of_fit:
            return None
        fields = request.meta.get("feature_variables")
        return cls(_texts(fields), args_of(request)) if isinstance(fields, list) and fields else None

    def answered_by(self, manifest: Manifest) -> bool:
        """Return whether a version with this manifest can answer."""
        known = set(fields_of(manifest))
        asked = set(self.fields) - set(manifest.targets)
        if not known or asked == known:
            return True
        return asked < known and not self._of_other_words(manifest, known)

    def is_within(self, manifest: Manifest) -> bool:
        """Return whether a version with this manifest has all of the fields."""
        return set(self.fields) <= {*fields_of(manifest), *manifest.targets}

    def _of_other_words(self, manifest: Manifest, known: set[str]) -> bool:
        """Return whether the stub was written by a fit of other words; globs may be expanded."""
        if not self.args or not manifest.args or sorted(self.args) == sorted(manifest.args):
            return False
        return set(self.args) - set(manifest.targets) != known


@dataclass(frozen=True, slots=True)
class Choosing:
    """Chooses for each request."""

    store: ModelStore

    def choose(self, name: ModelName, request: Request, loaded: Collection[int]) -> tuple[Serving, str]:
        """Return the version that answers, and a warning when that is not the current one.

        The files of `loaded` versions are not checked.

        Raises:
            FieldsUnknown: no promoted version has the request's fields.
            StoreDamaged: every version that was promoted is damaged, or the one that was asked for.
            VersionMissing: there is no version of the number that was asked for.
        """
        if request.version is not None:
            return self._numbered(name, request.version, loaded)
        serving, asked = self.store.choose(name, loaded), AskedFields.of(request)
        current = serving.version
        if not current.number or asked is None or asked.answered_by(current.manifest()):
            return serving, ""
        wider: Version | None = None
        for version in self.store.promoted(name, loaded):
            if version.number == current.number:
                continue
            if asked.answered_by(version.manifest()):
                return self._instead(version, serving, asked)
            if wider is None and asked.is_within(version.manifest()):
                wider = version
        if asked.is_within(current.manifest()):
            return serving, ""  # it has all of them; the answer warns of what is missing
        if wider is not None:
            return self._instead(wider, serving, asked)
        raise FieldsUnknown(asked.fields, current)

    def _instead(self, version: Version, serving: Serving, asked: AskedFields) -> tuple[Serving, str]:
        """Return another version than the current one, and the warning that it answered."""
        self.store.use(version)
        current, known = serving.version, fields_of(serving.version.manifest())
        text = (
            f"version {version.number} answered, not version {current.number}, the current one: the search has the "
            f"fields {listed(asked.fields, known)}, and the current version was fitted on {listed(known, asked.fields)}"
        )
        return Serving(version, serving.problem), text

    def _numbered(self, name: ModelName, number: int, loaded: Collection[int]) -> tuple[Serving, str]:
        """Return the version of this number, and a warning when it was never promoted."""
        version = self.store.get(name, number)
        if number == 0:
            return Serving(version), ""
        if number not in loaded:
            version.verify()
        self.store.use(version)
        promoted = self.store.was_promoted(version)
        return Serving(version), "" if promoted else f"version {number}, which was asked for, was never promoted"


def args_of(request: Request) -> tuple[str, ...]:
    """Return the words of the fit, globs unexpanded; empty when the request has none."""
    args = request.meta.get("options", {}).get("args")
    return _texts(args) if isinstance(args, list) else ()


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, values))
