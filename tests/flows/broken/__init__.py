"""Small changes of generated apps, each of which breaks one rule of ``dltk flow check``, by chapter."""

from tests.flows.broken import applying, dataflow, direct, feedback, packages, schedules, summaries

CASES = tuple(
    case for each in (applying, schedules, direct, summaries, feedback, packages, dataflow) for case in each.CASES
)
