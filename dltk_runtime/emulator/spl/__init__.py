"""The pipeline of ``dltk search``: a search's text → commands → frames.

::

    pipeline ── split ───── text → stages (name and arguments)
        │
        ├──── commands ──── a table: name → `Command`, passed in
        │         │
        │         ├──────── expressions   eval and where, over rows of Splunk's values
        │         ├──────── files         inputlookup and outputlookup
        │         └──────── dltk_runtime.emulator.mltk   fit, apply, summary, listmodels, deletemodel
        │
        └──── output ────── a result as table, CSV or JSON

`run` checks the whole search before its first command runs: every name, every argument, every expression.
Another set of commands or eval functions is another table handed to `run` and `Context`.
"""
