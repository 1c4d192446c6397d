"""The process boundary: the only place where notebook code runs is behind it.

::

            front process                                    worker process
    ┌───────────────────────────────┐             ┌──────────────────────────────────┐
    │ pool.py    who runs where     │             │ child.py   receive, run, answer  │
    │   │ leases                    │             │   │                              │
    │ process.py one worker: start, │  channel.py │ steps.py   decode, init, fit,    │
    │   call, deadline, end         │◄═══════════►│            save, apply, describe │
    │                               │  messages.py│                                  │
    │   log  ◄──────────────────────┼── pipe ─────┼── what the notebook prints       │
    │   dump ◄──────────────────────┼── memfd ────┼── faulthandler: where it was     │
    │   end  ◄──────────────────────┼── pidfd ────┼── (the kernel)                   │
    └───────────────────────────────┘             └──────────────────────────────────┘

A worker handles one request at a time. It leads a session of its own, is ended with all its
children by one signal to the group, and dies with the front process. `messages.py` holds every
word of their conversation, `channel.py` how the words travel.
"""
