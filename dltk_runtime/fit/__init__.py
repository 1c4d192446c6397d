"""Fits: options, queue, one fit from lease to commit, promotion.

::

    queue.py ──> train.py ──> pool: a fresh worker ──> store: reserve, commit ──> promotion.py
       └── options.py: what the search asks of the runtime (`mode`, `promote`, `holdout`, `with_version`)
"""
