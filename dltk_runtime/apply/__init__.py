"""Applies: find the current version, lease its worker, answer.

| file            | what                                                                     |
|-----------------|--------------------------------------------------------------------------|
| `apply.py`      | one apply; also scores and trials of versions for promotions             |
| `joining.py`    | small applies of row-wise notebooks, handed to the worker together       |
| `loading.py`    | what a worker is told to load                                            |
| `read_ahead.py` | rows of large requests, parsed while they arrive                         |
| `drift.py`      | how far rows are from those of the fit; `drift_files.py` keeps it on disk |
| `damage.py`      | damaged files: noticed when a worker loads them, said in the answer        |
| `mismatch.py`   | warnings about searches with another algorithm or other features         |
| `last_used.py`  | the version that ``/summary`` describes                                  |
| `preload.py`    | `DLTK_PRELOAD`                                                           |
"""
