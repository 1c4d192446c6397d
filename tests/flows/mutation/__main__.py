"""The whole run: every template, a seed, so many mistakes of each kind; the table, and what was not found.

``python -m tests.flows.mutation [SEED] [EACH] [TEMPLATE …]``; outcomes go to ``build/mutants-SEED.jsonl``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from tests.flows.mutation.draw import TEMPLATES
from tests.flows.mutation.measure import Outcome, measured, score
from tests.flows.mutation.mistakes import KINDS

SEED, EACH = 1, 8
BUILD = Path("build")


def main(seed: int, each: int, templates: list[str]) -> None:
    """Print the score by kind and by template, then what was not found."""
    BUILD.mkdir(exist_ok=True)
    outcomes: list[Outcome] = []
    with (BUILD / f"mutants-{seed}.jsonl").open("a", encoding="utf-8") as file:
        for template in templates:
            for outcome in measured(template, seed, each):
                outcomes.append(outcome)
                file.write(json.dumps(outcome.row()) + "\n")
                file.flush()
    for title, key, names in (("kind", "kind", list(KINDS)), ("template", "template", templates)):
        for name in names:
            count, found = score([each for each in outcomes if getattr(each, key) == name])
            click.echo(f"{title} {name}: {found} of {count}")
    count, found = score(outcomes)
    click.echo(
        f"seed {seed}: {found} of {count} found, {found / max(count, 1):.1%}; {len(outcomes) - count} change nothing"
    )
    for outcome in outcomes:
        if outcome.counts and not outcome.rules:
            click.echo(f"not found: {outcome.template}: {outcome.label} ({outcome.counts})")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else SEED, int(given[1]) if given[1:] else EACH, given[2:] or list(TEMPLATES))
