"""Sample data of our own making: queries for domains, some of them made up by an algorithm.

Words joined at random stand for domains that people chose, consonants and digits for generated ones. The second family
of generated domains looks like words, and the seed does not know it: what people's corrections are about.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence

DAYS = 4
PER_HOUR = 12
_WORDS = (
    *("blue", "green", "river", "stone", "cloud", "market", "garden", "coffee", "travel", "music", "photo", "sport"),
    *("news", "shop", "home", "kitchen", "light", "bridge", "forest", "ocean", "school", "library", "studio", "design"),
    *("paper", "pixel", "happy", "silver", "golden", "north", "summer", "winter", "island", "valley", "sugar", "table"),
)
_ENDS = ("com", "net", "org", "info")


def sample_csv(positive: str, negative: str, seed: int = 7) -> str:
    """Events of some days: `offset` (seconds after the first day's midnight), `query`, and `verdict`, the truth."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = []
    for second in sorted(dice.randrange(DAYS * 86400) for _ in range(DAYS * 24 * PER_HOUR)):
        bad = dice.random() < 0.4
        query = _generated(dice) if bad and dice.random() < 0.6 else _wordlike(dice) if bad else _chosen(dice)
        rows.append((second, query, positive if bad else negative))
    return _csv(["offset", "query", "verdict"], rows)


def seed_csv(positive: str, negative: str, each: int = 120, seed: int = 3) -> str:
    """Domains whose nature is known beforehand: `entity`, `label`. Wordlike generated ones are not among them."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = [(_generated(dice), positive) for _ in range(each)] + [(_chosen(dice), negative) for _ in range(each)]
    return _csv(["entity", "label"], rows)


def _chosen(dice: random.Random) -> str:
    """One or two words, at times with a number: `blue-stone24.com`."""
    number = str(dice.randint(1, 99)) if dice.random() < 0.3 else ""
    return dice.choice(("-", "")).join(dice.sample(_WORDS, dice.choice((1, 2, 2)))) + number + "." + dice.choice(_ENDS)


def _generated(dice: random.Random) -> str:
    letters = "bcdfghjklmnpqrstvwxz0123456789"
    return "".join(dice.choice(letters) for _ in range(dice.randint(10, 18))) + "." + dice.choice(_ENDS)


def _wordlike(dice: random.Random) -> str:
    """A word with something made up behind it: `riverxk4q7.net`. Half of it looks chosen."""
    letters = "bcdfghjklmnpqrstvwxz0123456789"
    return (
        dice.choice(_WORDS)
        + "".join(dice.choice(letters) for _ in range(dice.randint(4, 6)))
        + "."
        + dice.choice(_ENDS)
    )


def _csv(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
