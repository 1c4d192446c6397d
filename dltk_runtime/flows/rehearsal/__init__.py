"""``dltk flow test``: the very search texts of an app, in schedule order over simulated days, against a real runtime.

::

    cron ────── when a search starts
    world ───── storage, macros, lookups of the app; the base search replaced by sample data
    runtime ─── `dltk serve` in a process of its own, thrown away afterwards
    people ──── who judge the queue, by the searches of the review dashboard
    play ────── one simulated run after the other
    report ──── what each step did, a table and a plot
"""
