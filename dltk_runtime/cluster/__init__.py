"""Fits on other machines: which node runs which fit, and the way there and back.

::

    front                                helper process            a node (Ray)
    ┌───────────────────────────────┐    ┌──────────────────┐      ┌───────────────────────────┐
    │ places.py   where each runs   │    │ driver.py        │ Ray  │ node.py      one actor    │
    │   placement.py, resources.py  │    │ ray_nodes.py     │◄────►│ node_fit.py  one fit      │
    │ remote.py   a Worker there    │◄──►│   imports Ray    │      │   the pool of one machine │
    │ helper.py   keeps the helper  │link│ files.py         │      │                           │
    └───────────────────────────────┘    └──────────────────┘      └───────────────────────────┘

The front reserves a version's folder, the helper copies the files that the node has made into it,
and the front commits. So a node that comes back late can commit nothing.
"""
