"""Splunk's side of the interface, for people without a Splunk at hand: what MLTK's commands do around a call.

::

    grammar ──────────────── what the person typed → Fit, Apply, …
                 │
    request ─────┤             frame + Fit/Apply → {"data", "meta"}     (protocol 1.1, 1.2)
    client ──────┤             one POST, as Splunk's urllib sends it    (protocol 1)
    reply ───────┤             the answer → result columns             (protocol 1.3)
    stubs ───────┤             __mlspl_<name>.mlmodel                  (protocol 4)
                 │
    commands ────┘             fit, apply, summary, listmodels, deletemodel over frames

Nothing here knows the pipeline of `dltk_runtime.emulator.spl`, which calls it.
"""
