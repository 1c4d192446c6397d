"""Clients of a running container, for the commands and the emulated Splunk.

::

    jobs ── http ── dltk_runtime.http_client

========  ===========================================================================
`http`    `Container`: the requests that Splunk sends, with the same headers
`jobs`    `JobsClient`: list, watch and cancel jobs under ``/v1``
`shadow`  `shadow_report`: how answers compare with the old container's
`errors`  no answer, an answer that is not JSON, a refused request
========  ===========================================================================
"""
