"""Shadow: the old container answers, and ours is made afterwards and only compared.

::

    Splunk ── /fit, /apply ──> forwarding ──> the old container
              <── its bytes ──     │
                                   └─ kept in memory ─> queue ─> own fit or apply ─> compared ─> figures on disk

`forwarding` passes requests on, `pace` stops our own work while one is open and cores are short,
`queue` and `own` do that work. The figures and their verdicts are in `dltk_runtime.shadow`.
"""
