"""``dltk flow check``: the known traps of Splunk as numbered rules.

::

    table ── RULES, `check` ─┬─ applying    1xx  fit and apply
                            ├─ anomalies   1xx  models without a target
                            ├─ schedules   2xx  settings of scheduled searches
                            ├─ windows     2xx  the windows of time that they read
                            ├─ direct      3xx, 4xx  names of the command, direct scoring
                            ├─ summaries   5xx  summary indexes
                            ├─ metrics     5xx  metrics indexes, accelerated data models
                            ├─ indexed     5xx  indexed fields and tstats over them
                            ├─ feedback    6xx  queue, labels, dashboards
                            ├─ packages    7xx  what AppInspect and Splunk refuse
                            └─ flowing, alike, records, timing, people  8xx  the data flow: asked of its model
    rule ─── `Rule` (number, text, fix, find), `Violation`, and what rules ask of a search

A rule is a function that yields each place in an app where it is broken. A test breaks each rule.
"""

from dltk_runtime.flows.rules.rule import Found, Rule, Violation
from dltk_runtime.flows.rules.table import RULES, check

__all__ = ["RULES", "Found", "Rule", "Violation", "check"]
