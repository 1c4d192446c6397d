"""One word for one thing: two classes of `dltk_runtime` have the same name only where the list here says why."""

from __future__ import annotations

import re
from collections import Counter

from tests.support.service import ROOT

# A message between two processes has the name of what it says; the front's own value of it may have the same.
MESSAGES = (
    *("Applied", "Apply", "Ask", "Compared", "Counts", "Facts", "Failed", "Fit", "Kept", "Nodes", "Outcome"),
    *("Printed", "ReadAhead", "Saved", "Score", "Stage", "Staged", "Trained"),
)
# Clients and notebooks see these: the names of exceptions stand in answers, and the others are imported.
PUBLIC = ("AddressInvalid", "Job", "NoAnswer", "RightMissing", "Search")
# Words of two fields that never meet: of SPL, of flows, of an object store, of one room each.
TWO_FIELDS = (
    *(
        "Aggregation",
        "Command",
        "Decision",
        "Door",
        "Entry",
        "Kind",
        "Models",
        "Order",
        "Read",
        "Source",
        "State",
        "Throttle",
    ),
)
CLASS = re.compile(r"^class (\w+)", re.MULTILINE)


def test_no_two_classes_have_one_name_without_a_reason() -> None:
    files = (ROOT / "dltk_runtime").rglob("*.py")
    counted = Counter(name for path in files for name in CLASS.findall(path.read_text(encoding="utf-8")))
    twice = {name for name, count in counted.items() if count > 1 and not name.startswith("_")}
    assert twice - {*MESSAGES, *PUBLIC, *TWO_FIELDS} == set()
