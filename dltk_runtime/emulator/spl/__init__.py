"""The pipeline of ``dltk search``: the text of a search → commands → frames.

::

    pipeline ─┬─ macros ─── expands `` `name(a,b)` ``
              ├─ split ──── text → calls of commands (name and arguments)
              ├─ scheduled  what the searches of a flow may not do
              └─ commands ─ table: name → `Command`, with the accepted forms of arguments
                    │
                    ├─ evaluating, columns, ordering, sequences, multivalues, making
                    ├─ indexing, kvlookups       indexes, lookups and collections
                    ├─ statistics                stats, streamstats, bin, timechart …
                    ├─ expressions, compiling, functions    eval and where
                    ├─ filters                   search and inputlookup … where
                    ├─ options                   ``key=value`` by a table of accepted names
                    ├─ files                     lookup files
                    └─ dltk_runtime.emulator.mltk    fit, apply, score, summary, listmodels, deletemodel

    context    what commands depend on          values, rows    Splunk's values, rows of a frame
    refused    commands that run in Splunk only     output      a result as table, CSV or JSON

`pipeline.run` parses the whole search, including all arguments, before the first command runs. Other
commands or functions of eval are other tables, passed to `run` and `Context`.
"""
