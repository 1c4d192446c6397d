"""A Splunk for people without one: runs searches with MLTK's fit and apply against a container.

::

    commands/search    flows/, doctor/, tests
              \\         /
               spl ────────────── text of a search → commands → frames
              /  │  \\
    lexer,   │   │   mltk ─────── fit, apply, … → HTTP calls of a container, stub files
    arguments    │
                 standin ──────── indexes, lookups and KV store, in memory

    lexer        tokens of SPL, on which all parsers are built
    arguments    words and ``key=value`` after the name of a command
    errors       errors of searches

Used by `dltk search`, flows, the doctor and tests. It imports the HTTP client and the ground
(`errors`, `files`, `paths`, `settings`), but nothing of the server.
"""
