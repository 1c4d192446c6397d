"""Who may do what, and who did it.

| file        | what                                                              |
|-------------|-------------------------------------------------------------------|
| `holder.py` | rights, bounds, and the holder of a token                         |
| `actor.py`  | who did something, as jobs, histories and events keep it          |
| `file.py`   | the file of named tokens: reading, writing, a new token           |
| `named.py`  | the named tokens that are in force, read again when the file changes |

No token is kept anywhere: only its SHA-256.
"""
