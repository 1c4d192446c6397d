"""Connect to a real Splunk: search results as DataFrames, the KV store, the HTTP Event Collector.

::

    search ──┬── rows ── columns     JSON lines → rows → typed columns → DataFrame
    job ─────┤                       the same from the pages of a search job
    kvstore ─┤
             └── connection ──┬── transport ── dltk_runtime.http_client
    events ──┬── hec ─────────┘
             └── spool               events on disk until Splunk has accepted them

=============  ==============================================================================
`search`       export all rows of a search, streamed
`job`          start or dispatch a search job, wait for it, read its pages and its log
`rows`         parse Splunk's JSON lines into rows and messages
`columns`      turn rows into typed columns
`progress`     progress bar for terminals and Jupyter
`kvstore`      typed records of a KV store collection
`hec`          send events and metrics to the HTTP Event Collector
`events`       send the runtime's own events in the background
`spool`        queue of lines on disk that outlives the process
`connection`   address, credentials and retries of the REST API
`transport`    TLS settings, meaning of network failures, splunk-sdk's request handler
`retry`        repeat a call with growing pauses, up to a time limit
`answers`      texts in Splunk's JSON and XML answers
`access`       addresses and tokens that notebooks may use, and how workers receive them
`errors`       everything that can go wrong
=============  ==============================================================================

`hec`, `events` and what they import use neither pandas nor splunk-sdk, because the front process
imports them. The Splunk for development without one is in `dltk_runtime.emulator`; it does not use
this package.
"""

__all__ = ["hec", "job", "kvstore", "search"]  # the public modules; imported on demand
