"""The measure of ``dltk flow check``: edits of generated apps, and which of them change what an app does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.mutation.behaviour import behaviour, difference
from tests.flows.mutation.draw import TEMPLATES, app_of, draw
from tests.flows.mutation.edits import Mistake
from tests.flows.mutation.measure import measured, score
from tests.flows.mutation.mistakes import KINDS

GATE_SEED = 7


def mistake_of(kind: str, template: str, old: str, new: str) -> Mistake:
    """The one mistake of a kind that makes `new` of `old`."""
    return next(each for each in KINDS[kind](app_of(template)) if (each.old, each.new) == (old, new))


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_every_template_has_room_for_a_hundred_and_twenty_mistakes_of_twelve_kinds(template: str) -> None:
    drawn = draw(template, app_of(template), GATE_SEED, 8)
    assert len(drawn) >= 120
    assert len({mistake.kind for mistake in drawn}) >= 12


def test_a_seed_draws_the_same_mistakes_each_time_and_another_seed_others() -> None:
    texts = app_of("direct")
    first, again, other = (draw("direct", texts, seed, 5) for seed in (1, 1, 2))
    assert first == again
    assert {each.label for each in first} != {each.label for each in other}


def test_a_mistake_counts_when_the_app_behaves_otherwise(tmp_path: Path) -> None:
    texts = app_of("summary")
    without = behaviour(texts, tmp_path / "without")
    assert difference(texts, tmp_path / "same", without) == ""
    unread = mistake_of("misspelt value", "summary", "row", "orw")
    assert difference(unread.applied(texts), tmp_path / "unread", without)
    order = mistake_of(
        "swapped commands",
        "summary",
        '| where good=1 | eval feature_set="v1" ',
        '| eval feature_set="v1" | where good=1 ',
    )
    assert difference(order.applied(texts), tmp_path / "order", without) == ""


@pytest.mark.heavy
@pytest.mark.parametrize("template", ["direct", "summary"])
def test_flow_check_finds_three_quarters_of_a_few_mistakes_at_least(template: str) -> None:
    """The gate's sample; ``make flows`` measures all templates, and what is expected there is on the page Develop."""
    count, found = score(list(measured(template, GATE_SEED, each=1)))
    assert count >= 10
    assert found / count >= 0.75
