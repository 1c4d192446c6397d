"""Keep the versions of models: reserve, commit, promote, read, remove.

::

    fit/train ──> ModelStore.reserve ──> Reservation.commit ──> ModelStore.promote
    apply     ──> ModelStore.serving ──> Version.location   ──> a worker loads the files

* ``store``       `ModelStore`, the rules: what is promoted, which versions may be removed
* ``reader``      `ModelReader`, its half that reads: what there is, and how it came to be;
  ``choosing`` (which version serves, what is damaged), ``last_fitted`` (which algorithm a model's
  name means)
* ``interface``   the protocol `Store`; ``handles``: `Version`, `Reservation`, `Location`
* ``file_store``  `FileStore`, the implementation by files; its parts:
  ``layout`` (paths and names), ``version``, ``lifecycle`` (reserve, commit, remove),
  ``promoted`` (which versions were promoted), ``history`` (one of its files)
* ``manifest``    what a version states about itself
* ``later``       what is added beside a manifest; ``figures``, ``side_by_side`` as text for people
* ``export``, ``view``, ``errors``
"""
