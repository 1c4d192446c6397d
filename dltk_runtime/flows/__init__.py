"""Data flows as Splunk apps: direct, summary index, feedback.

A flow trains and applies a model on a schedule. This package generates its two Splunk apps, checks
them, runs them without a Splunk, packs and installs them, and fills their history. All commands
are in ``commands/flow.py`` and ``commands/label.py``.

::

    flow.yaml ── flow ── generate ── render ── templates/ ──→ two apps in a folder
                                                                     │
                                      app, conf: read them, and hand-written apps
                                                                     │
        ┌──────────────┬────────────┬───────────┬────────────────────┤
      rules/      rehearsal/     package     install             backfill
      check       test           package     install, upgrade,   backfill     (dltk flow …)
                                             remove

Description and files
    flow        `Flow`, the values of one flow, validated; reads and writes ``flow.yaml``
    defaults    values for the sample data
    sample      generates the sample data
    servers     the same for flows without a target
    windows     how long windows are, when searches start that write them, days of a zone
    fields      names that features must leave to the flow
    generate    the files of both apps
    additions   what people add to the flows that they judge
    render      Jinja2 with our delimiters
    templates/  a folder for each layer of an app; ``parts/`` are included

Reading
    app         the confs, views, macros and searches of an app
    conf        Splunk's ``.conf`` format
    spl         the commands of a search
    cron        the starts of a schedule
    studio/     dashboards of Dashboard Studio: how they are written, read and checked
    dataflow/   what the searches of an app read, make and write: the model that rules ask

Work
    rules/      numbered rules, one for each known trap of Splunk
    pasted      the rules for one search that somebody pasted
    rehearsal/  runs an app's searches over simulated days against a real runtime
    package     ``.spl`` files
    burden      what an app's schedules add to a search head
    hearing     which alerts nobody hears
    install     knowledge objects over REST
    backfill    a flow's search for past windows
    labels      ``dltk label``: the labels of a feedback flow over REST
    errors      the errors of this package
"""
