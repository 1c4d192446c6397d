"""``python -m dltk_runtime.worker OPTIONS``: the worker process; started by `pool.launch` only."""

from __future__ import annotations

import sys

from dltk_runtime.worker.child import main

if __name__ == "__main__":
    main(sys.argv[1])
