"""Batch: papermill runs a notebook on data, as a job; a model that it makes is a version like any other.

::

    order ──> document: the notebook to run          run ──> store: commit, a trial load in a worker, promote
                  │                                   ▲
                  ▼                                   │ facts, description, helpers
    engine: papermill, cell by cell  ──────>  kernel `dltk`, where kernel.py gives the data,
            (deadline, deaths, secrets)       gives what is saved its name, and writes the results

    incremental ── watermark: how far a flow has come     a search's new rows, through `run`, into Splunk
                ├─ records: rows and results, with keys
                └─ destination: an index or a collection

`run` and its neighbours are imported where a run begins: they need papermill.
"""
