"""Examine an installed flow over Splunk's REST API; nothing is written.

::

    examine ──┬── schedules   schedules, owners, macros, and whether anybody hears the alerts
              ├── rights      the owners against the table of `flows.rights`
              ├── storage     indexes, run records (`records`), models' entries, collections
              └── load        the burden against the search head's limit, and skipped searches

    splunk ── installed       one search head; the app's objects, read as `flow check` reads an app

Sources of what is read: Splunk's REST API reference (saved/searches, authorization/roles,
data/indexes, server/status/limits/search-concurrency, introspection/kvstore/collectionstats) and
limits.conf.spec. None of us has seen these answers in a Splunk: what has another form is said to
be unknown.
"""

from dltk_runtime.doctor.flow.examine import examine
from dltk_runtime.doctor.flow.splunk import SearchHead

__all__ = ["SearchHead", "examine"]
