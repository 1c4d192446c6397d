"""Notebooks as modules: reading, checking and importing them.

::

    umap.ipynb ── cells ──> source ──> outline ──> algorithm ──> review, catalogue
                  (JSON)    (text)     (names)     (contract)    (hints, help)
                              │
                              ├──> loader ── srv_paths ──> app.model.umap, in a worker or kernel
                              └──> declaration ──> parameters ──> param["parameters"]

* Reading, without running anything: `places` (where notebooks lie), `cells` (which cells of an
  ``.ipynb`` are exported), `source` (the text of one module, also as stored in a version),
  `outline` (the names it defines), `reads` (the parameters it reads), `surroundings` (the libraries
  and variables it needs).
* Checking: `algorithm` (the contract: init, fit, apply, …), `review` (hints for the author),
  `catalogue` (what ``dltk algos show`` prints), `convert` (names for the cells of a plain notebook).
* Parameters: `declaration` (the cell tagged ``parameters``), `parameters` (values for one call).
* Running: `loader` (the import finder behind ``app.model``), `srv_paths` (rewrites ``/srv/…``
  constants), `file_names` (the name for `save`), `coordinates` (notebook, cell and line of an
  error), `advice` (the next step for it).
* `errors`: the failures of all of these.

The HTTP server imports this package, so it imports no pandas, numpy, torch or tensorflow.
"""
