"""Doors for clients that are not Splunk: the same core, each with a wire format of its own.

::

    /v1/models/{algorithm}/{model}/apply      rows      Arrow, CSV or JSON, as Content-Type and Accept say
    /v2/models/{algorithm}.{model}/infer      infer     the Open Inference Protocol, text and binary tensors
    /invocations                              scoring   as MLflow's scoring server takes it

Each turns a request into a `call.Request` and an `apply.Applied` into its answer. The rows stay
bytes: the worker reads and writes them (`tables.forms`).
"""
