"""Show fits as runs of an MLflow server, and versions as its model versions.

::

    fit, service ──> RunTracking           interface.py
                          │
                       Tracking ── disk ──> <home>/tracking/runs/<job>/     what a run consists of
                          │                              queue/             what is to be sent, in order
                          └── Sender (a thread) ── pipe ── helper process ── MLflow's client ──> server

* ``interface``   what a fit reports; `NoTracking` where no server is set
* ``tracking``    `Tracking`: writes a run's files, queues what is to be sent
* ``facts``       what is known of a run and of a version, as files
* ``spooled``     a folder that MLflow's client takes for a server, for the fit's own process
* ``place``       the folders below ``<home>/tracking``
* ``address``     the server's address, its credentials, and what the fit's process gets of them
* ``sender``      the queue on disk and the thread that sends it
* ``child``       the front's half of the helper process
* ``helper``, ``server``, ``copying``     inside the helper process, which alone imports mlflow

No request waits for MLflow, except that a fit waits at most `BEGIN_SECONDS` for its run.
"""
