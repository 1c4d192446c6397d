"""Batch: papermill runs a notebook on data as a job; a model that it fits becomes a version.

::

    commands/batch.py
        │ one order        each.py: one order for each row of a table
        ▼
    order.py ────> run.py: job (recording.py), attempts, version, its trial (trial.py) ────> fit/, store/, jobs/
                     │ document.py: the notebook that is executed
                     ▼
                  engine.py: papermill, with deadline, deaths and secrets (secrets.py); place.py: where it failed
                     │ task.py: task and report, two files
                     ▼
                  kernel.py, in the kernel: data (columns.py), names of models, results; fits by worker/fit.py

    incremental.py: the new rows of a search, through run.py, into Splunk
        ├ watermark.py    the end of what is delivered
        ├ records.py      rows and results as records with keys
        └ destination.py  an index or a collection

Import `run` and what needs it only where a run begins: papermill is slow to import.
"""
