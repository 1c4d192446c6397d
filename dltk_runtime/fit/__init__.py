"""Fits: options, queue, one fit from lease to commit, promotion.

::

    queue.py ──> train.py ──> pool: a fresh worker ──> store: reserve, commit ──> promotion.py
       └── options.py: the search's parameters for the runtime (`mode`, `promote`, `holdout`, `with_version`)
"""
