"""Parameters of a search for the runtime itself: `mode`, `promote`, `holdout`, `with_version`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dltk_runtime.errors import OptionInvalid, nearest, shown
from dltk_runtime.notebook.parameters import RUNTIME_PARAMETERS, wants_version
from dltk_runtime.texts import unquote

MODES = ("async", "sync", "stage", "register")  # of a search, in its `mode`
# Metrics by name: whether a higher value is better.
METRICS = {
    "accuracy": True,
    "f1": True,
    "precision": True,
    "recall": True,
    "r2": True,
    "mae": False,
    "rmse": False,
}


class PromotionRule(StrEnum):
    """When a new version becomes current."""

    AUTO = "auto"
    MANUAL = "manual"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class PromotionOption:
    """``promote=auto``, ``manual`` or ``better:<metric>[:<least gain>]``.

    `gain` is in the metric's own unit.
    """

    rule: PromotionRule = PromotionRule.AUTO
    metric: str = ""
    gain: float = 0.0

    def improves(self, new: float | None, old: float | None) -> bool:
        """Return whether `new` beats `old` by at least the gain.

        A missing or non-finite value beats nothing.
        """
        if new is None or old is None or not (math.isfinite(new) and math.isfinite(old)):
            return False
        difference = new - old if METRICS[self.metric] else old - new
        return difference > 0 and difference >= self.gain


@dataclass(frozen=True, slots=True)
class FitOptions:
    """A search's parameters for the runtime.

    `holdout` is the share of rows kept from the fit, 0 for none; `warnings` are for its message.
    """

    asynchronous: bool = False
    promotion: PromotionOption = PromotionOption()
    holdout: float = 0.0
    with_version: bool = False
    warnings: tuple[str, ...] = ()


def fit_options(
    parameters: Mapping[str, str], holdout: float = 0.0, taken: Collection[str] = (), *, refuse_unknown: bool = False
) -> FitOptions:
    """Return the options in a fit's parameters, without those that its notebook has `taken`.

    `holdout` is the share where they name none. An unknown `mode` is a warning, or an error with
    `refuse_unknown`.

    Raises:
        OptionInvalid: naming the parameter, its value and what is expected.
    """
    parameters = {name: parameters[name] for name in RUNTIME_PARAMETERS if name in parameters and name not in taken}
    given = {name: unquote(value).strip() for name, value in parameters.items()}
    mode = given.get("mode", "sync")
    if mode not in MODES and refuse_unknown:
        raise OptionInvalid("mode", mode, _listed(MODES))
    warnings = () if mode in MODES else (f"mode={shown(mode)} is unknown and ignored: it can be {_listed(MODES)}",)
    return FitOptions(
        asynchronous=mode == "async",
        promotion=_promotion(given.get("promote", PromotionRule.AUTO)),
        holdout=_share(given["holdout"]) if "holdout" in given else holdout,
        with_version=wants_version(parameters),
        warnings=warnings,
    )


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _promotion(value: str) -> PromotionOption:
    rule, _, rest = value.partition(":")
    if rule in (PromotionRule.AUTO, PromotionRule.MANUAL) and not rest:
        return PromotionOption(PromotionRule(rule))
    wanted = f"auto, manual or better:<metric>[:<least gain>], the metric one of {', '.join(METRICS)}"
    metric, _, gain = rest.partition(":")
    if rule != PromotionRule.BETTER or metric not in METRICS:
        raise OptionInvalid("promote", value, wanted, nearest(metric, METRICS))
    try:
        least = float(gain or 0)
    except ValueError:
        least = -1.0
    if not 0 <= least < math.inf:
        raise OptionInvalid("promote", value, wanted + "; the gain is a number from 0 on")
    return PromotionOption(PromotionRule.BETTER, metric, least)


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise OptionInvalid("holdout", value, "a share of the rows, from 0 to below 1")
    return share
