"""Fits and applies on other machines: which node runs which, and the way there and back.

::

    front                                helper process            a node (Ray)
    ┌───────────────────────────────┐    ┌──────────────────┐      ┌───────────────────────────┐
    │ places.py   where each runs   │    │ driver.py        │ Ray  │ node.py      one actor    │
    │   placement.py, resources.py  │    │ ray_nodes.py     │◄────►│ node_fit.py  one fit      │
    │ remote.py   a Worker there    │◄──►│   imports Ray    │      │   the pool of one machine │
    │ helper.py   keeps the helper  │link│ files.py         │      │                           │
    └───────────────────────────────┘    └──────────────────┘      └───────────────────────────┘

Applies go the same way: `apply_places.py`, `apply_placement.py`, `remote_apply.py`, `driver_applies.py`,
`node_applies.py` and `kept_files.py`. They are pure reads of a version, whose files a node keeps.

The front reserves a version's folder, the helper copies the files that the node has made into it,
and the front commits. So a node that comes back late can commit nothing.
"""
