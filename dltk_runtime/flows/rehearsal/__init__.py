"""``dltk flow test``: run an app's searches over simulated days, without a Splunk.

::

    run ──┬── runtime   starts a real `dltk serve` with a temporary home
          ├── world     the simulated Splunk: the app's objects, storage in memory, sample events
          ├── people    reviewers who label the queue with the searches of the review dashboard
          ├── tuning    a person who lowers the sensitivity of an entity, where there is no target
          ├── adding    a person who adds points and extra features, where people judge
          ├── knowledge what the sample says is right
          ├── play      runs the searches in the order of their schedules, and waits for trainings
          ├── quality   the app's own report of quality against what is right
          ├── challengers the app's own comparison of two models against the same
         ├── rows      what came against what was scored, window by window and key by key
          ├── judge     looks at panels, reports and alerts
         ├── alarms    breaks source, container and scheduler, and expects the right alert
          └── report    tables of searches and trainings, a plot of the metric, the faults

SPL that only Splunk runs (the base search, ``mstats``, ``mcollect``, ``tstats``) is replaced, and
named in the report.
"""
