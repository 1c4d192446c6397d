"""The pipeline of ``dltk search``: the text of a search → commands → frames.

::

    pipeline ─┬─ macros ─── expands `` `name(a,b)` ``
              ├─ split ──── text → calls of commands (name and arguments)
              └─ commands ─ table: name → `Command`
                    │
                    ├─ commands, shaping, indexing, kvlookups    what each command does
                    ├─ expressions, functions    eval and where
                    ├─ aggregates                stats, eventstats, streamstats
                    ├─ filters                   search and inputlookup … where
                    ├─ files                     lookup files
                    └─ dltk_runtime.emulator.mltk    fit, apply, summary, listmodels, deletemodel

    context    what commands depend on          values, rows    Splunk's values, rows of a frame
    refused    commands that run in Splunk only     output      a result as table, CSV or JSON

`pipeline.run` parses the whole search, including all arguments, before the first command runs. Other
commands or functions of eval are other tables, passed to `run` and `Context`.
"""
