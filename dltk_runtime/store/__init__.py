"""Keep the versions of models: reserve, commit, promote, read, remove.

::

    fit/train ──> ModelStore.reserve ──> Reservation.commit ──> ModelStore.promote
    apply     ──> ModelStore.serving ──> Version.location   ──> a worker loads the files

* ``store``       `ModelStore`, the rules: what is promoted, which versions may be removed
* ``reader``      `ModelReader`, its half that reads: which version serves, what is damaged
* ``interface``   the protocol `Store`; ``handles``: `Version`, `Reservation`, `Location`
* ``file_store``  `FileStore`, the implementation by files; its parts:
  ``layout`` (paths and names), ``version``, ``lifecycle`` (reserve, commit, remove),
  ``history`` (which versions were promoted)
* ``manifest``    what a version states about itself
* ``later``       what is added beside a manifest; ``figures``, ``side_by_side`` as text for people
* ``export``, ``view``, ``errors``
"""
