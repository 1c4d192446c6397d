"""Measure ``dltk flow check``: of the mistakes that count, which does it find?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from click.testing import CliRunner

from dltk_runtime.cli import dltk
from tests.flows.mutation.behaviour import behaviour, difference
from tests.flows.mutation.draw import app_of, draw
from tests.flows.mutation.edits import Mistake, Texts


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mistake: why it counts, or "" when the app behaves as before; the rules that it breaks."""

    template: str
    kind: str
    label: str
    counts: str
    rules: tuple[int, ...]

    def row(self) -> dict[str, object]:
        return asdict(self)


def measured(template: str, seed: int, each: int) -> Iterator[Outcome]:
    """Yield the outcome of every mistake that `seed` draws in a template."""
    texts = app_of(template)
    with tempfile.TemporaryDirectory(prefix="dltk-mutants-") as name:
        folder = Path(name)
        without = behaviour(texts, folder / "without")
        for number, mistake in enumerate(draw(template, texts, seed, each)):
            place = folder / str(number)
            counts = mistake.argued or difference(mistake.applied(texts), place / "run", without)
            yield Outcome(template, mistake.kind, mistake.label, counts, broken(mistake, texts, place / "check"))


def broken(mistake: Mistake, texts: Texts, folder: Path) -> tuple[int, ...]:
    """Return the numbers of the rules that the app with the mistake breaks."""
    for path, text in mistake.applied(texts).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    result = CliRunner().invoke(dltk, ["flow", "check", str(folder)], catch_exceptions=False)
    return tuple(
        sorted(
            {
                int(number)
                for number in re.findall(r"^\S+: (\d{3}) |^\S+:.*?: (\d{3}) ", result.output, re.MULTILINE)
                for number in number
                if number
            }
        )
    )


def score(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Return how many mistakes count, and how many of them are found."""
    counting = [each for each in outcomes if each.counts]
    return len(counting), sum(bool(each.rules) for each in counting)
