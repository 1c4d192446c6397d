"""Splunk's side of the interface: what MLTK's commands do before and after a call of the container.

::

    commands ─┬─ grammar ──── arguments → FitCommand, ApplyCommand, …
              ├─ request ──── frame and command → {"data", "meta"}       (protocol 1.1, 1.2)
              ├─ dltk_runtime.client.http    one POST, as Splunk sends it    (protocol 1)
              ├─ reply ────── answer → result columns                    (protocol 1.3)
              ├─ stubs ────── the folder of __mlspl_<name>.mlmodel       (protocol 4)
              │    └─ stub ── its two forms: DSDL's and the toolkit's    (protocol 7)
              ├─ results ──── rows and messages of a command
              ├─ toolkit ──── the toolkit's own algorithms, by scikit-learn
              └─ kept ─────── models of those

    scoring ───── score: predictions compared with what is true

Nothing here imports the pipeline of `dltk_runtime.emulator.spl`, which calls it.
"""
