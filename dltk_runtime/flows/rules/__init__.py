"""The traps of real Splunk as rules: a number (its first digit is the chapter), what is wrong, what to do.

Chapters: 1 fit and apply, 2 schedules, 3 the command's names, 4 direct scoring, 5 summary indexes, 6 feedback,
7 packages.
"""

from dltk_runtime.flows.rules.rule import Finding, Found, Rule
from dltk_runtime.flows.rules.table import RULES, check

__all__ = ["RULES", "Finding", "Found", "Rule", "check"]
