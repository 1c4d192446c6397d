"""HTTP: from bytes to requests of the core, and from its values to bytes.

| file               | what                                                              |
|--------------------|-------------------------------------------------------------------|
| `serve.py`         | uvicorn, TLS, signals                                             |
| `splunk_routes.py` | Splunk's routes and the probes; `protocol.py` is their wire format |
| `v1_routes.py`     | our own API, with `v1_jobs.py`; `openapi.py` describes it         |
| `v1_asked.py`      | what an address under `/v1` may hold                              |
| `by_path.py`       | one route for each path                                           |
| `v1_views.py`      | what of it the console's pages are made of, `console/`            |
| `body.py`          | receives a body, `json_text.py` unescapes a large one on the way  |
| `listener.py`      | accepts connections                                               |
| `admission.py`     | bounds on all connections, and per address                        |
| `connection.py`    | bounds on what one connection may hold                            |
| `tokens.py`        | compares tokens                                                   |
| `metrics.py`, `tracing.py` | what is counted and traced of each request                |
"""
