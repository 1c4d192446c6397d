"""The door for agents: a server of the Model Context Protocol on ``/mcp``, off by default.

::

    client ── POST /mcp ──> routes: token, size ── Ask ──> helper: the protocol, by its SDK
                                                                │ a tool is called
                            tools: rights, core <── Do ─────────┘
                                   └── Done ──> helper ── Answer ──> routes ──> client

The SDK runs in a process of its own (`helper`), which gets no token: the front does what a tool
asks for, with the rights of whoever sent the request. Nothing here changes a model.
"""
