"""The worker: the process in which notebook code runs, and the only one.

::

      front process (pool/)                       worker process (worker/)
    ┌──────────────────────┐             ┌─────────────────────────────────────────┐
    │ a fit or an apply    │             │ child.py    receive, run, answer, wait  │
    │   │                  │             │   │                                     │
    │ pool.py    which     │  channel.py │ handler.py  one method for each request │
    │   │        worker    │◄═══════════►│   ├ code.py   load the notebook         │
    │ local.py   one       │ messages.py │   ├ phase.py  announce, call, report    │
    │            process   │             │   ├ fit.py    init, fit, save, apply    │
    │                      │             │   └ model.py  copy, undo, pickle        │
    │   output  ◄──────────┼── pipe ─────┼── text that the notebook prints         │
    │   stacks  ◄──────────┼── memfd ────┼── faulthandler, after a crash           │
    │   phase   ◄──────────┼── memfd ────┼── board.py, during an apply             │
    │   end     ◄──────────┼── pidfd ────┼── (the kernel)                          │
    └──────────────────────┘             └─────────────────────────────────────────┘

| files | role |
|---|---|
| `messages`, `gang_messages`, `options` | what the halves tell each other |
| `channel`, `memory_file`, `board` | how that goes from one to the other |
| `child` | the main loop, and the wait for a request |
| `surroundings` | its directory, its output, its end with the front process, its crashes |
| `handler`, `phase`, `failure` | run a request phase by phase; failures become text with coordinates |
| `fit` | the order of a fit; the kernel of a batch run (`batch/kernel.py`) uses it, too |
| `applying`, `row_wise` | an apply of one request, or of several at once |
| `code`, `model`, `loaded_model`, `describe` | the loaded notebook, its model, and what a version records of it |
| `features`, `baselines`, `holdout` | compare rows with those of the fit; count them; hold some out |
| `read_ahead` | parse rows while they arrive |

A worker runs one request at a time; a small one may wait in its socket behind that. It leads a
session of its own, is ended with all its child processes by one signal to the group, and dies with
the front process. `pool/guardian.py`, a third process, finds and ends what escaped from the group,
also after a kill of the front process.
"""
