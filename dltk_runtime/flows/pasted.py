"""Check one search that somebody pasted: what would change in it as part of a flow.

The text is SPL as typed into the search bar, or stanzas of ``savedsearches.conf`` with their
settings. Rules that ask for the rest of an app (alerts, roles, indexes, files) are left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from dltk_runtime.flows import conf
from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rules import RULES, Violation, check

# Of one text: fit and apply, order, keys, fields. Of its settings: schedule and window.
_OF_TEXTS = frozenset(
    (101, 102, 103, 104, 105, 106, 107, 108, 109, 115, 301, 302, 401, 403, 404, 406, 407, 501, 502, 505, 506, 507, 508)
) | frozenset((515, 517, 519, 520, 512, 513, 514, 523, 524, 606, 607, 608, 609, 610, 801, 805, 808, 809, 811, 825, 826))
_OF_SCHEDULES = frozenset(
    (*range(201, 214), 215, 216, 217, 219, 221, 405, 522, 526, 527, 710, 714, 716, 821, 822, 823, 827)
)
SEARCH_RULES = tuple(rule for rule in RULES if rule.number in _OF_TEXTS | _OF_SCHEDULES)
_NAME = "pasted"


def read(path: Path) -> str:
    """Return the text of a file as stanzas of ``savedsearches.conf``.

    Raises:
        FlowInvalid: it cannot be read, is empty, or has stanzas without a search.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FlowInvalid(f"cannot read {path}: {error}") from error
    if not text:
        raise FlowInvalid(f"{path} is empty; expected a search, or stanzas of savedsearches.conf")
    if not text.startswith("["):
        lines = [line.rstrip().removesuffix("\\").rstrip() for line in text.splitlines()]
        return f"[{_NAME}]\nsearch = " + " \\\n".join(line for line in lines if line) + "\n"
    if not any(stanza.get("search") for stanza in conf.parse(text)):
        raise FlowInvalid(f"{path} has stanzas, but none with a line search = …")
    return text + "\n"


def check_search(path: Path) -> Iterator[Violation]:
    """Yield what would change in the searches of a file, in the order of the rules.

    Raises:
        FlowInvalid: as `read`.
    """
    text = read(path)
    with tempfile.TemporaryDirectory(prefix="dltk-search-") as name:
        default = Path(name) / _NAME / "default"
        default.mkdir(parents=True)
        (default / "app.conf").write_text("[ui]\n", encoding="utf-8")
        (default / "savedsearches.conf").write_text(text, encoding="utf-8")
        yield from check([App(default.parent)], SEARCH_RULES)
