"""Mistakes in the text of generated apps, and whether an app with one behaves otherwise.

The measure of ``dltk flow check``: of the mistakes that change what an app does, or take a right
that it needs, how many does it find? Nothing here imports `dltk_runtime.flows.rules`, so that no
mistake is one because a rule looks for it.

::

    mistakes ── kinds of edits ── each yields every place of an app where the mistake can be made:
                                  `searches` those in SPL, `settings` all others, of `edits`
    draw ────── a seed ───────── so many of each kind, in every template
    behaviour ─ the judge ────── runs the app over a few windows and compares what it did
    measure ─── the score ─────── beside `dltk flow check`
    __main__ ── the whole run ── python -m tests.flows.mutation (make flows)
"""
