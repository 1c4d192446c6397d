"""The model card of a version: what is known at its commit, and what is added when it is shown.

The first part is ``card.json`` in the version's folder. A version without one (of an older runtime)
gets its card from the manifest when it is shown.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.secret_names import parameters_without_secrets
from dltk_runtime.store.handles import Version
from dltk_runtime.store.later import Score
from dltk_runtime.store.layout import CODE
from dltk_runtime.store.manifest import Facts, HeldOut, Manifest, SourceHash
from dltk_runtime.store.search_words import fit_words
from dltk_runtime.tables.baseline import MIN_JUDGED_ROWS, Baseline
from dltk_runtime.tables.feature import Feature

CARD_FORMAT = 1
MAX_COMMON = 5  # values of a text field that are listed
LEFT_OUT = "The version has notices, which may quote values of rows. 'dltk models show' has them."
MAX_PURPOSE_CHARACTERS = 20_000


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column of the fit: `rows` that were counted, of which `missing` had no value.

    `minimum`, `maximum` and `mean` are of numbers; `common` are the most common values of others,
    each with its rows, and `distinct` is their number where all are known. `baseline` is what drift
    is measured by. A card without values has of these only counts.
    """

    name: str
    kind: str
    target: bool = False
    rows: int | None = None
    missing: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    distinct: int | None = None
    common: dict[str, int] = {}
    baseline: Baseline | None = None

    @classmethod
    def of(cls, feature: Feature, targets: Sequence[str]) -> Self:
        """Return the statistics of a column."""
        found, target = feature.baseline, feature.name in targets
        if found is None:
            return cls(name=feature.name, kind=feature.kind, target=target)
        known = dict(zip(found.categories, found.counts, strict=False))
        common = sorted(known, key=lambda text: -known[text])[:MAX_COMMON]
        return cls(
            name=feature.name,
            kind=feature.kind,
            target=target,
            rows=found.rows,
            missing=found.counts[-1] if found.counts else 0,
            minimum=found.edges[0] if found.edges else None,
            maximum=math.nextafter(found.edges[-1], -math.inf) if found.edges else None,
            mean=found.mean,
            distinct=len(known) if found.complete else None,
            common={text: known[text] for text in common},
            baseline=found,
        )

    def without_values(self) -> Field:
        """Return the field with counts alone."""
        hidden = Baseline(counts=self.baseline.counts) if self.baseline is not None else None
        return msgspec.structs.replace(self, minimum=None, maximum=None, mean=None, common={}, baseline=hidden)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version at its commit; `time` is UTC.

    Attributes:
        purpose: The notebook's first cell, if that is text; Markdown of its author.
        fit: The search's command.
        owner: Name of the token of the fit.
        code_sha256: Of the file with all sources.
        values: Whether the card may have values of rows.
    """

    format: int
    algorithm: str
    model: str
    number: int
    time: datetime
    purpose: str
    fit: str
    owner: str
    job: str
    rows: int
    targets: list[str]
    parameters: dict[str, str]
    fields: list[Field]
    train: dict[str, float | None]
    holdout: HeldOut | None
    libraries: dict[str, str]
    sources: list[SourceHash]
    code_sha256: str
    limits: list[str]
    values: bool

    def encoded(self) -> bytes:
        """Return the card as JSON."""
        return atomic.to_json(self)

    @property
    def version(self) -> VersionId:
        """The version that the card is of."""
        return VersionId(ModelName(self.algorithm, self.model), self.number)


class DriftedField(msgspec.Struct, frozen=True):
    """Drift of a field: its population stability index, and the share of values that the fit did not see."""

    feature: str
    index: float
    unseen: float


class CardDrift(msgspec.Struct, frozen=True):
    """The last judgement of a version, over `rows` applied rows; from `limit` on a field drifts."""

    rows: int
    limit: float
    fields: list[DriftedField]


class ShownCard(Card, frozen=True, kw_only=True):
    """A card with what came after the commit. `stored` is whether it was made at the commit."""

    stored: bool
    current: bool
    later: list[Score]
    notices: list[str]
    drift: CardDrift | None


def card_of(
    version: VersionId, facts: Facts, purpose: str, code: bytes, *, values: bool, time: datetime | None = None
) -> Card:
    """Return the card of a version that is committed now; without `values` it has none of the rows'."""
    return _card(version, facts, purpose, hashlib.sha256(code).hexdigest(), values, time or datetime.now(UTC))


def shown(version: Version, *, current: bool, values: bool, drift: CardDrift | None = None) -> ShownCard:
    """Return the card of a version as it is shown now; without `values` it has none of the rows'.

    Raises:
        VersionUnknown, StoreDamaged: the version, or its card, cannot be read.
    """
    data, manifest = version.card(), version.manifest()
    card = _decoded(data, version) if data else _made_from(manifest, version.id)
    known = {each: getattr(card, each) for each in Card.__struct_fields__} | {"time": manifest.time}
    notices = version.notices()
    if not (values and card.values):
        known |= {"values": False, "fields": [each.without_values() for each in card.fields]}
        notices = [LEFT_OUT] if notices else []
    return ShownCard(
        **known,
        stored=bool(data),
        current=current,
        later=version.scores(),
        notices=notices,
        drift=drift,
    )


def _decoded(data: bytes, version: Version) -> Card:
    try:
        return decoded(data, Card)
    except ValueError as error:
        raise StoreDamaged(
            f"The model card of {version} is damaged: {error}. 'dltk models show {version.name.algorithm} "
            f"{version.name.model} {version.number}' shows the manifest."
        ) from error


def _made_from(manifest: Manifest, version: VersionId) -> Card:
    """Return the card of a version that was committed without one."""
    code = next((stored.sha256 for stored in manifest.files if stored.path == CODE), "")
    return _card(version, manifest, "", code, values=True, time=manifest.time)


def _card(version: VersionId, facts: Facts, purpose: str, code: str, values: bool, time: datetime) -> Card:
    hashed = any(each.baseline is not None and each.baseline.salt is not msgspec.UNSET for each in facts.features)
    values = values and not hashed
    fields = [Field.of(each, facts.targets) for each in facts.features]
    return Card(
        format=CARD_FORMAT,
        algorithm=version.algorithm,
        model=version.model,
        number=version.number,
        time=time,
        purpose=purpose[:MAX_PURPOSE_CHARACTERS],
        fit=fit_words(version.name, facts),
        owner=facts.owner,
        job=facts.job,
        rows=facts.rows,
        targets=facts.targets,
        parameters=parameters_without_secrets(facts.parameters),
        fields=fields if values else [each.without_values() for each in fields],
        train=facts.train,
        holdout=facts.holdout,
        libraries=facts.libraries,
        sources=facts.sources,
        code_sha256=code,
        limits=list(_limits(facts, fields)),
        values=values,
    )


def _limits(facts: Facts, fields: Sequence[Field]) -> list[str]:
    """Return what the figures and statistics do not tell."""
    found = []
    if not facts.train and not (facts.holdout and facts.holdout.metrics):
        found.append("The notebook returned no figures, so nothing here tells how good the model is.")
    elif facts.holdout is None or not facts.holdout.metrics:
        found.append(
            "The figures are of rows that the fit has seen. They do not tell how the model does on others: fit with "
            "holdout=0.2, or measure with 'dltk models compare --data'."
        )
    else:
        found.append("The figures named train are of rows that the fit has seen: judge by those of holdout.")
    counted = max((each.rows or 0 for each in fields), default=0)
    if 0 < counted < facts.rows:
        found.append(f"The fields' statistics are of {counted:,} of the {facts.rows:,} rows.")
    if without := [each.name for each in fields if each.baseline is None]:
        found.append(f"{len(without)} of {len(fields)} fields have no baseline: their drift is not judged.")
    found.append(f"Drift is judged from {MIN_JUDGED_ROWS:,} applied rows on.")
    if facts.kept_by_runtime:
        found.append("The notebook's save stored nothing. The runtime keeps the model, which needs these libraries.")
    return found
