"""The wiring of one server: everything that a request needs, built once from the settings.

| file            | what                                                   |
|-----------------|--------------------------------------------------------|
| `wiring.py`     | `build` makes the parts and wires them                 |
| `service.py`    | `Service` starts and ends them                         |
| `stage.py`      | `mode=stage`                                           |
| `register.py`   | `mode=register`                                        |
| `status.py`, `status_rows.py` | `dltk_status`                            |
| `events.py`     | what the server reports to Splunk                      |
| `health.py`     | one badge for each model, and why                      |
| `calls.py`      | the calls answered last, and the figures of this moment |
| `checks.py`, `machine.py` | the doctor's quick findings; workers, memory, GPUs |
"""
