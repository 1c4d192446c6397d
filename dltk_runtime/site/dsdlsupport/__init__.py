"""What DSDL's notebooks import beside their own helpers; names and signatures are DSDL's.

::

    from dsdlsupport import SplunkGenerateGraphicsObjects, SplunkHEC, SplunkSearch

* `SplunkGenerateGraphicsObjects` keeps a plot with the model, and as a file for dashboards.
* `SplunkSearch` asks Splunk for data, `SplunkHEC` sends events to it.
"""
