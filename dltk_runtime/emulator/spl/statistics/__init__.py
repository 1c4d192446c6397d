"""Statistics over rows: the stats family, spans and charts.

::

    table ──────── the functions of stats, by name
    accumulators ─ what they compute, value by value
    aggregation ── arguments → `Aggregation`: columns, groups, options
      ├─ stats         stats, eventstats, top, rare
      ├─ streamstats   over the rows so far, or a window of them
      ├─ buckets       bin
      └─ charts        timechart, chart, xyseries, untable
"""
