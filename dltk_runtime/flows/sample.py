"""Sample data of our own making: queries for domains, some of them made up by an algorithm.

Words joined at random stand for domains that people chose, consonants and digits for generated ones. Traffic holds two
more kinds, of which the seed knows nothing: generated domains that begin with a word, and hosts of content networks,
which a machine named and nobody has to fear. They are what a first model gets wrong and people's corrections are about.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence

DAYS = 4
PER_HOUR = 24
_WORDS = (
    *("blue", "green", "river", "stone", "cloud", "market", "garden", "coffee", "travel", "music", "photo", "sport"),
    *("news", "shop", "home", "kitchen", "light", "bridge", "forest", "ocean", "school", "library", "studio", "design"),
    *("paper", "pixel", "happy", "silver", "golden", "north", "summer", "winter", "island", "valley", "sugar", "table"),
)
_ENDS = ("com", "net", "org", "info")
_MACHINE_MADE = "bcdfghjklmnpqrstvwxz0123456789"
_NETWORKS = ("edge-static.net", "fast-assets.com", "cachefront.net")


def sample_csv(positive: str, negative: str, seed: int = 7) -> str:
    """Events of some days: `offset` (seconds after the first day's midnight), `query`, and `verdict`, the truth."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = []
    for second in sorted(dice.randrange(DAYS * 86400) for _ in range(DAYS * 24 * PER_HOUR)):
        bad = dice.random() < 0.4
        usual, new = (_generated, _wordlike) if bad else (_chosen, _content_host)
        query = (usual if dice.random() < 0.6 else new)(dice)
        rows.append((second, query, positive if bad else negative))
    return _csv(["offset", "query", "verdict"], rows)


def seed_csv(positive: str, negative: str, each: int = 120, seed: int = 3) -> str:
    """Domains whose nature is known beforehand: `entity`, `label`. The kinds that are new to it are not among them."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = [(_generated(dice), positive) for _ in range(each)] + [(_chosen(dice), negative) for _ in range(each)]
    return _csv(["entity", "label"], rows)


def _chosen(dice: random.Random) -> str:
    """One or two words, at times with a number: `blue-stone24.com`."""
    number = str(dice.randint(1, 99)) if dice.random() < 0.3 else ""
    return dice.choice(("-", "")).join(dice.sample(_WORDS, dice.choice((1, 2, 2)))) + number + "." + dice.choice(_ENDS)


def _generated(dice: random.Random) -> str:
    return _characters(dice, 10, 18) + "." + dice.choice(_ENDS)


def _wordlike(dice: random.Random) -> str:
    """A word with something made up behind it: `riverxk4q7.net`. Half of it looks chosen."""
    return dice.choice(_WORDS) + _characters(dice, 4, 6) + "." + dice.choice(_ENDS)


def _content_host(dice: random.Random) -> str:
    """One of the many numbered hosts of a content network: `d8x2k9qf4m1z.edge-static.net`."""
    return _characters(dice, 10, 14) + "." + dice.choice(_NETWORKS)


def _characters(dice: random.Random, least: int, most: int) -> str:
    return "".join(dice.choice(_MACHINE_MADE) for _ in range(dice.randint(least, most)))


def _csv(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
