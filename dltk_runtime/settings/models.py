"""Models: fits in the queue, what fits and applies accept, and what versions keep."""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.setting_types import as_flag, as_natural, as_positive, as_share, one_of, setting


@dataclass(frozen=True, kw_only=True)
class Models:
    """Models: fits in the queue, what fits and applies accept, and what versions keep."""

    __slots__ = ()

    max_queued: int = setting(
        "DLTK_MAX_QUEUED",
        100,
        "an integer from 1",
        as_positive,
        "asynchronous fits (mode=async) that may wait, on all replicas",
    )
    fit_retries: int = setting(
        "DLTK_FIT_RETRIES",
        2,
        "an integer from 0",
        as_natural,
        "how often an asynchronous fit is started again after the server that ran it has ended",
    )
    hangup: str = setting(
        "DLTK_HANGUP",
        "continue",
        "continue or cancel",
        one_of("continue", "cancel"),
        "whether a fit goes on when its search hangs up, as Splunk does after max_fit_time",
    )
    refuse_missing: bool = setting(
        "DLTK_REFUSE_MISSING",
        False,
        "true or false",
        as_flag,
        "refuse an apply that lacks a feature, instead of warning",
    )
    refuse_unknown: bool = setting(
        "DLTK_REFUSE_UNKNOWN",
        False,
        "true or false",
        as_flag,
        "refuse a fit with a `mode` that is unknown, or a parameter that its notebook does not declare, instead of "
        "warning",
    )
    code: str = setting(
        "DLTK_VERSION_CODE",
        "auto",
        "auto, pinned or live",
        one_of("auto", "pinned", "live"),
        "code that applies run: that of the version (pinned) or the notebook's (live); auto: pinned where "
        "MODE_DEV_PROD is PROD, live where it is DEV. `dltk models pin` decides for one model",
    )
    holdout: float = setting(
        "DLTK_HOLDOUT",
        0.0,
        "a share of the rows, from 0 to below 1",
        as_share,
        "share of the rows kept from each fit with a target; `holdout=` in a search overrides it",
    )
    keep_versions: int = setting(
        "DLTK_KEEP_VERSIONS",
        5,
        "an integer from 1",
        as_positive,
        "newest versions kept of each model, beside the current one",
    )
    keep_values: bool = setting(
        "DLTK_KEEP_VALUES",
        True,
        "true or false",
        as_flag,
        "whether versions keep the most common values of text fields, by which drift is measured; false: their hashes",
    )
    text: str = setting(
        "DLTK_TEXT",
        "object",
        "object or string",
        one_of("object", "string"),
        "dtype of text columns in the frames that notebooks get",
    )
    compiled: bool = setting(
        "DLTK_COMPILED",
        True,
        "true or false",
        as_flag,
        "whether compiled code reads and writes the numbers of large tables, where `make setup` or the image built it",
    )
