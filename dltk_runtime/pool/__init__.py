"""The front half of the process boundary: choose, start, call and end workers.

::

            front process (pool/)                                worker process (worker/)
    ┌───────────────────────────────────┐             ┌──────────────────────────────────┐
    │ pool.py    turns, leases          │             │ child.py   receive, run, answer  │
    │   │ residents.py, workforce.py,   │             │   │                              │
    │   │ spares.py, devices.py, memory │             │ handler.py decode, init, fit,    │
    │ worker.py  what is handed out     │             │            save, apply, describe │
    │ local.py   one worker here:       │  channel.py │                                  │
    │   calls.py, following.py,         │◄═══════════►│                                  │
    │   requests.py, conversation.py,   │  messages.py│                                  │
    │   printed.py, phases.py,          │             │                                  │
    │   launch.py, dump.py, outcome.py, │             │                                  │
    │   ending.py                       │             │                                  │
    │   log  ◄──────────────────────────┼── pipe ─────┼── what the notebook prints       │
    │   dump ◄──────────────────────────┼── memfd ────┼── faulthandler: where it was     │
    │   end  ◄──────────────────────────┼── pidfd ────┼── (the kernel)                   │
    └───────────────────────────────────┘             └──────────────────────────────────┘

`guardian.py` is a third process, which ends what a worker left behind, also when the front process
was killed. Nothing above this folder knows of descriptors, memory files or process ids: it gets
`worker.Worker`.
"""
