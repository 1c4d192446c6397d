"""The three data flows as Splunk apps: direct, summary index, feedback.

::

    flow ────── what a flow is made from: `Flow`, flow.yaml
      │
    generate ── templates/ filled in, layer over layer → two apps
      │
    app ─────── an app read back from its folder, ours or hand-made: confs, views, macros, searches
      │
      ├── rules/ ──── one numbered rule for each trap; `check` runs them
      ├── package ─── the .spl files
      ├── install ─── knowledge objects over REST
      ├── backfill ── an installed flow's saved search, dispatched for the windows of a period
      └── rehearsal/  `dltk flow test`: the very search texts, in schedule order, against a real runtime
"""
