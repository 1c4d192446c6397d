"""Fits: options, queue, one fit from lease to commit, promotion.

::

    queue.py ──> train.py ──> pool: a fresh worker ──> store: reserve, commit ──> promotion.py
       ├── dispatch.py: asynchronous fits, out of the queue that all servers share
       ├── training.py: what one fit is, and how it ends
       └── options.py: the search's parameters for the runtime (`mode`, `promote`, `holdout`, `with_version`)
"""
