"""Phases: what a block raises becomes a report, whatever it is; each phase is announced before its block."""

from __future__ import annotations

import pytest

from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.messages import Entered, ErrorReport
from dltk_runtime.worker.phase import Phases

PLACE = "one.ipynb, cell 3"
RAISED = [ValueError("x"), SystemExit(3), KeyboardInterrupt(), StopIteration("x"), GeneratorExit(), MemoryError()]


def phases_to(sent: list[Entered]) -> Phases:
    """Make the phases of a notebook that has one function, `apply`."""
    return Phases(sent.append, lambda function: PLACE if function == "apply" else "", lambda _: "a note")


def _raise(error: BaseException, sent: list[Entered]) -> None:
    assert sent, "the phase is announced before its block"
    raise error


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_whatever_a_block_raises_becomes_a_report(raised: BaseException) -> None:
    sent: list[Entered] = []
    with pytest.raises(PhaseFailed) as failure, phases_to(sent).entered("encode", function="apply"):
        _raise(raised, sent)
    assert sent == [Entered("encode", PLACE)]
    report = failure.value.report
    assert (report.phase, report.coordinates, report.note) == ("apply", PLACE, "a note")
    assert report.kind == type(raised).__name__
    assert report.sentence.startswith(report.kind)
    assert report.kind in report.traceback
    assert failure.value.__cause__ is raised


def test_a_report_is_passed_on_as_it_is() -> None:
    known = PhaseFailed(ErrorReport("decode", "no rows"))
    sent: list[Entered] = []
    phases = phases_to(sent)
    with pytest.raises(PhaseFailed) as failure, phases.entered("apply"), phases.failing("encode"):
        raise known
    assert failure.value is known
    assert sent == [Entered("apply", PLACE)]  # what only fails under a name announces nothing


def test_a_call_returns_what_the_function_returns() -> None:
    sent: list[Entered] = []
    assert phases_to(sent).call("apply", max, 1, 2) == 2
    with pytest.raises(PhaseFailed):
        phases_to(sent).call("apply", max, 1)
    assert sent == [Entered("apply", PLACE)] * 2
