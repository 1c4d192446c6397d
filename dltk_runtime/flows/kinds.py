"""The kinds of flows, and what they store, score and predict."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The three kinds of data flows."""

    DIRECT = "direct"
    SUMMARY = "summary"
    FEEDBACK = "feedback"


class Source(StrEnum):
    """Where a summary flow stores features: events, events with indexed fields, metrics, a data model."""

    EVENTS = "events"
    INDEXED = "indexed"
    METRICS = "metrics"
    DATAMODEL = "datamodel"


class Scoring(StrEnum):
    """What a summary flow scores: the rows of its summary, or raw events by the macro that makes these rows."""

    SUMMARY = "summary"
    RAW = "raw"


class Predicts(StrEnum):
    """What the target of a flow is: 0 or 1, one of several texts, a number."""

    YES_NO = "yes_no"
    CLASS = "class"
    NUMBER = "number"
