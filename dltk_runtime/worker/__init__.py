"""The process boundary: the only place where notebook code runs is behind it.

::

            front process                                    worker process
    ┌───────────────────────────────┐             ┌──────────────────────────────────┐
    │ pool.py    who runs where     │             │ child.py   receive, run, answer  │
    │   │ residents.py, spares.py   │             │   │                              │
    │ process.py one worker: start, │  channel.py │ steps.py   decode, init, fit,    │
    │   call, deadline, end         │◄═══════════►│            save, apply, describe │
    │                               │  messages.py│                                  │
    │   log  ◄──────────────────────┼── pipe ─────┼── what the notebook prints       │
    │   dump ◄──────────────────────┼── memfd ────┼── faulthandler: where it was     │
    │   end  ◄──────────────────────┼── pidfd ────┼── (the kernel)                   │
    └───────────────────────────────┘             └──────────────────────────────────┘

A worker handles one request at a time. It leads a session of its own, is ended with all its
children by one signal to the group, and dies with the front process; what escaped that is found
and ended by `guardian.py`, a third process, also when the front process was killed. `messages.py`
holds every word of their conversation, `channel.py` how the words travel, `death.py` how a worker
that did not answer is told.
"""
