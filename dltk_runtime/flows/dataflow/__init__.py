"""What the searches of an app read, make and write: the model that rules of ``dltk flow check`` ask.

::

    text ── pipe ──── commands with their subpipelines
             │
            walk ──── one command after the other: `commands` changes the `Shape`s of the rows,
             │        and notes what is used, read, written, fitted and applied
            model ─── all searches of an app, in rounds: what is written decides what is read

A `Shape` is one form that rows may have. Rows of raw events are `open`: nobody knows all fields of
theirs. Rows of an index that the app writes have the fields that were written and no other.
"""

from dltk_runtime.flows.dataflow.model import Dataflow, SearchFlow, dataflow

__all__ = ["Dataflow", "SearchFlow", "dataflow"]
