"""Check the whole chain from a Splunk search to the notebooks, each finding with advice.

::

    examine ──┬── local            settings, token, certificate, ports, volume, notebooks, GPU
              ├── search_head      Splunk: REST API, clock, permissions, apps, limits, stanzas
              │    ├── owners      capabilities of the owners of scheduled searches
              │    ├── stanzas     DSDL's or the AI Toolkit's files, on every member
    │    └── addresses   what each model's name leads to there
              └── collector        HTTP Event Collector: token and index

===============  ==================================================================================
`examine`        run all checks; a check that raises becomes a finding itself
`flow`           an installed flow, for ``dltk flow doctor``
`finding`        `Finding`, `Severity` and the functions that make findings
`local`          checks of this machine
`search_head`    checks of Splunk's side
`owners`         check of the users who own scheduled searches
`clients`        the two apps that call containers, and the files that each reads
`stanzas`        check of these files over REST
`addresses`      the address that each model's name leads to, on every member
`stanza_lines`   the lines of one stanza, as ``dltk splunk stanza`` prints them
`app_folder`     the same in a folder, as ``dltk doctor --app`` does
`called`         check of the container at the address that they name
`collector`      checks of the HTTP Event Collector
`rest`           read-only HTTP calls for the checks
===============  ==================================================================================

A check is a generator of findings for one hop. No check changes anything, except that
`collector.index` sends one event when the user asks for it. The checks use no splunk-sdk, which
the smallest image lacks.
"""
