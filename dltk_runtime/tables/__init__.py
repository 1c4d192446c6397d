"""Tables: rows between their text on the wire and the DataFrame that a notebook gets.

::

    rows: JSON string ── table.unescape ──> CSV ── table.read ──> DataFrame ──> the notebook
    results: JSON string <── table.write ── DataFrame <── table.to_frame ── what `apply` returns

| file | role |
|---|---|
| `table` | what other packages call, exactly as ``pandas.read_csv`` and ``to_csv`` do it |
| `csv_reader`, `csv_pieces`, `csv_writer` | faster ways to the same frames and texts, for common cases |
| `csv_columns` | the columns that `csv_pieces` fills |
| `native` | compiled code that these take for numbers, where it was built |
| `quoting` | which cells of results are quoted, so that Splunk's side reads the rows that were sent |
| `feature` | one column of a fit's rows: name, kind, baseline |
| `result_column` | one column of results: name, dtype |
| `baseline` | the distribution of a column's values, and the distance of later rows from it |

`feature`, `result_column` and `baseline` import no pandas: the front process reads them in manifests.
"""
