"""Keep the versions of models: reserve, commit, promote, read, remove.

::

    fit/train ──> ModelStore.reserve ──> Reservation.commit ──> ModelStore.promote
    apply     ──> ModelStore.serving ──> Version.location   ──> a worker loads the files

* ``store``       `ModelStore`, the rules: which version serves, which may be removed
* ``interface``   the protocols `Store`, `Version`, `Reservation`; `Location`
* ``file_store``  `FileStore`, the implementation by files; its parts:
  ``layout`` (paths and names), ``version``, ``lifecycle`` (reserve, commit, remove)
* ``manifest``    what a version states about itself
* ``export``, ``view``, ``errors``
"""
