"""Dashboards of Dashboard Studio: a definition in JSON inside the XML of a view.

::

    templates/…/views/overview.yaml ── write ──→ overview.xml of a generated app
    any view of an app ── definition ──→ its data sources, whose searches rules and rehearsals read
                            └── faults ──→ what Studio would refuse or ignore, by the table in options.toml
"""
