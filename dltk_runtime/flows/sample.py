"""Generate sample data: DNS queries, some of them for algorithmically generated domains (DGA).

Words joined at random represent chosen domains; consonants and digits represent generated ones.
The traffic contains two more kinds that the seed lacks: generated domains that begin with a word,
and the harmless machine-generated host names of content networks. A first model is wrong about
both, and labels correct it.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence

from dltk_runtime.units import DAY_SECONDS

DAYS = 4
EVENTS_PER_HOUR = 24
_WORDS = (
    *("blue", "green", "river", "stone", "cloud", "market", "garden", "coffee", "travel", "music", "photo", "sport"),
    *("news", "shop", "home", "kitchen", "light", "bridge", "forest", "ocean", "school", "library", "studio", "design"),
    *("paper", "pixel", "happy", "silver", "golden", "north", "summer", "winter", "island", "valley", "sugar", "table"),
)
_ENDS = ("com", "net", "org", "info")
_MACHINE_MADE = "bcdfghjklmnpqrstvwxz0123456789"
# Kinds of domains by the function that makes them.
_CLASSES = {"_chosen": "chosen", "_generated": "generated", "_wordlike": "wordlike", "_content_host": "network"}
_NETWORKS = ("edge-static.net", "fast-assets.com", "cachefront.net")


def sample_csv(positive: str, negative: str, seed: int = 7, *, classes: bool = False) -> str:
    """Return CSV of events over `DAYS` days.

    Columns: `offset` (seconds after the first midnight), `query`, and `verdict`, the correct
    label; with `classes` that is one of the four kinds of domains.
    """
    return _csv(["offset", "query", "verdict"], _events(positive, negative, seed, classes=classes))


def verdicts_csv(
    positive: str, negative: str, seed: int = 7, *, classes: bool = False, usual_alone: bool = False
) -> str:
    """Return CSV of the labels of these events: columns `query` and `verdict`, each query once.

    With `usual_alone` the two kinds of domains that the seed lacks are left out.
    """
    known = {str(query): str(verdict) for _, query, verdict in _events(positive, negative, seed, classes=classes)}
    if usual_alone:
        kinds = {str(query): str(kind) for _, query, kind in _events(positive, negative, seed, classes=True)}
        known = {query: verdict for query, verdict in known.items() if kinds[query] in ("chosen", "generated")}
    return _csv(["query", "verdict"], sorted(known.items()))


def _events(positive: str, negative: str, seed: int, *, classes: bool) -> list[tuple[int, str, str]]:
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = []
    for second in sorted(dice.randrange(DAYS * DAY_SECONDS) for _ in range(DAYS * 24 * EVENTS_PER_HOUR)):
        bad = dice.random() < 0.4
        usual, new = (_generated, _wordlike) if bad else (_chosen, _content_host)
        made = usual if dice.random() < 0.6 else new
        verdict = _CLASSES[made.__name__] if classes else positive if bad else negative
        rows.append((second, made(dice), verdict))
    return rows


def seed_csv(positive: str, negative: str, each: int = 120, seed: int = 3) -> str:
    """Return CSV of domains with known labels: columns `entity` and `label`."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = [(_generated(dice), positive) for _ in range(each)] + [(_chosen(dice), negative) for _ in range(each)]
    return _csv(["entity", "label"], rows)


def _chosen(dice: random.Random) -> str:
    """Return one or two words, sometimes with a number: `blue-stone24.com`."""
    number = str(dice.randint(1, 99)) if dice.random() < 0.3 else ""
    return dice.choice(("-", "")).join(dice.sample(_WORDS, dice.choice((1, 2, 2)))) + number + "." + dice.choice(_ENDS)


def _generated(dice: random.Random) -> str:
    return _characters(dice, 10, 18) + "." + dice.choice(_ENDS)


def _wordlike(dice: random.Random) -> str:
    """Return a word followed by generated characters: `riverxk4q7.net`."""
    return dice.choice(_WORDS) + _characters(dice, 4, 6) + "." + dice.choice(_ENDS)


def _content_host(dice: random.Random) -> str:
    """Return a host of a content network: `d8x2k9qf4m1z.edge-static.net`."""
    return _characters(dice, 10, 14) + "." + dice.choice(_NETWORKS)


def _characters(dice: random.Random, least: int, most: int) -> str:
    return "".join(dice.choice(_MACHINE_MADE) for _ in range(dice.randint(least, most)))


def _csv(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
