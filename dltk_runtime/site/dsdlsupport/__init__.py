"""Support modules that DSDL's notebooks import; names and signatures are those of DSDL.

::

    from dsdlsupport import SplunkGenerateGraphicsObjects, SplunkHEC, SplunkSearch

* `SplunkGenerateGraphicsObjects` stores a plot in the model and as a file for dashboards.
* `SplunkSearch` runs a search, with a form in JupyterLab (`search_form`).
* `SplunkHEC` sends events to the HTTP Event Collector.
* `errors` are the errors of all three.
"""
