"""Chapters 3 and 4: names of the command, and direct scoring."""

from __future__ import annotations

from tests.flows.broken.files import MACROS, SEARCHES, Case

CASES: tuple[Case, ...] = (
    (301, "direct", SEARCHES, "`dltk_x_algo`", "MLTKContainer"),
    (302, "direct", MACROS, "[dltk_x_base]", "[dltk_x_bases]"),
    (401, "direct", MACROS, "sum(good) AS scored", ""),
    (402, "direct", SEARCHES, "where scored<rows", "where scored<0"),
    (403, "direct", MACROS, "holdout=0.2", ""),
    (403, "direct", MACROS, "holdout=0.2", "holdout=0"),
    (404, "direct", MACROS, "with_version=t", ""),
    (405, "direct", SEARCHES, "dispatch.earliest_time = -30d@d", "dispatch.earliest_time = -30d"),
    (406, "direct", SEARCHES, " | fields - _raw", ""),
    (407, "direct", MACROS, "mode=async ", ""),
    (407, "direct", MACROS, "promote=better:accuracy:0.002 ", ""),
    (407, "direct", MACROS, "better:accuracy", "better:auc"),
)  # fmt: skip
