"""List what in a Splunk calls a container: views, saved searches, reports and macros, read over REST.

::

    survey ──┬── objects ── views     knowledge objects, and the searches inside dashboards
             ├── calls                commands in SPL, macros expanded; which model each of them names
             ├── audit                runs of the last days, from the index _audit
             └── models               Splunk's entries of models, and whose they are
    report                            the rows of the table, CSV and JSON
    reports                           an app for Splunk: who fitted what, what the fits of each token took

`audit` and `models` read what none of us has seen in a Splunk. Each has its search and its fields in
one place, and where a field is missing the answer is that it is unknown.
"""
