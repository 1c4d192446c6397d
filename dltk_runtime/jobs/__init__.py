"""Keep the records of jobs: every fit is one, from its request to its end.

::

    fit/queue    ──> JobRecords.create ──> Job: start, phase, progress, succeed | fail | cancel
                 ──> JobRecords.submit: an asynchronous job, into the queue that all servers share
    fit/dispatch ──> JobRecords.adopt: out of the queue, or from a server that ended
    server, commands ──> JobRecords.list, get, log, metrics, ask_to_cancel

* ``interface``   the protocol `JobRecords`
* ``job``         `Job`: how its server changes a job
* ``place``       the protocol `JobPlace`: where one is kept
* ``store``       `JobStore`, the implementation by files; its parts:
  ``index`` (which records have changed), ``folder`` (one job's files), ``claim`` (who runs an
  asynchronous job), ``output`` (log and metrics), ``submission`` (rows)
* ``record``      the record's fields
* ``progress``    reads progress from printed text
* ``view``, ``errors``
"""
