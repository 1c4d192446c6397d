"""Keep the records of jobs: every fit is one, from its request to its end.

::

    fit/queue ──> JobRecords.create ──> Job: start, phase, progress, succeed | fail | cancel
    server, commands ──> JobRecords.list, get, log, metrics, ask_to_cancel
    the next server  ──> JobRecords.adopt: an asynchronous job that a server left queued

* ``interface``   the protocol `JobRecords`
* ``job``         `Job`: how its server changes a job; `JobPlace`: where one is kept
* ``store``       `JobStore`, the implementation by files; its parts:
  ``folder`` (one job's files), ``output`` (log and metrics), ``submission`` (rows and claim)
* ``record``      the record's fields
* ``progress``    reads progress from printed text
* ``view``, ``errors``
"""
