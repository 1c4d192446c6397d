"""Tables: rows between their text on the wire and the DataFrame that a notebook gets.

::

    data (JSON string) ── table.unescape ──> CSV ── table.read ──> DataFrame ── apply ──> any result
                                                    │ csv_reader                              │
                                                    └ csv_pieces: large, or still arriving    │ table.to_frame
    results (JSON string) <────────────────── table.write ── csv_writer <───────── DataFrame <┘

    feature     one column of a fit's rows: name, kind, baseline
    baseline    the distribution of its values, and the distance of later rows from it

`table` is what other packages call. Results equal those of ``pandas.read_csv`` and ``DataFrame.to_csv``; the other
files are faster ways to them for the common cases. `feature` and `baseline` import no pandas: the front process
imports them, too.
"""
