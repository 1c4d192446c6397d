"""Splunk from outside a search: search results as frames, the KV store, the HTTP Event Collector.

::

    search ──┬── rows ── columns      JSON lines → rows → typed columns → DataFrame
             └── job                  the same from a job's or saved search's pages
    kvstore ─┤
             └── connection ── transport      splunk-sdk's Service over an HTTP client of ours, which checks
    hec ─────────────────────────┘            certificates, can be interrupted, and says what went wrong
     └── events ── spool                      the runtime's own events: kept on disk until Splunk has them
          └── job_events                      what they tell of a job

    access             which Splunk notebooks may reach, and how tokens come to them
    errors, retry      what can go wrong, and how long it is tried again
    standin/           what a Splunk stores, in memory, for `dltk flow test` and the tests

`hec`, `events`, `transport` and all below them import neither pandas nor splunk-sdk: the front process uses them.
"""

__all__ = ["hec", "job", "kvstore", "search"]  # the public modules; imported on demand
