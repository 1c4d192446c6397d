"""Compare what says which release this is: the version, the headings of ``CHANGELOG.md``, the commit's tags."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.version import Version

HEADING = re.compile(r"^## \[?(Unreleased|\d+\.\d+\.\d+)\]?(?: - (\d{4}-\d\d-\d\d))?$")


def disagreements(version: str, changelog: str, tags: Sequence[str]) -> list[str]:
    """Return each contradiction as a sentence.

    Args:
        version: the project's version.
        changelog: the text of the changelog; its second-level headings are ``Unreleased`` or
            ``1.2.3 - 2026-01-31``, newest first.
        tags: the tags of the commit; those of releases are ``v1.2.3``.
    """
    headings = [line for line in changelog.splitlines() if line.startswith("## ")]
    found = [
        f"CHANGELOG: {line!r} is neither 'Unreleased' nor a version" for line in headings if not HEADING.match(line)
    ]
    names = [match[1] for line in headings if (match := HEADING.match(line))]
    released = [Version(name) for name in names if name != "Unreleased"]
    if "Unreleased" in names[1:]:
        found.append("CHANGELOG: 'Unreleased' is not the first heading")
    if released != sorted(set(released), reverse=True):
        found.append("CHANGELOG: the versions are not in order, newest first")
    if released and names[0] != "Unreleased" and Version(version) != released[0]:
        found.append(f"the version is {version}, the newest in CHANGELOG {released[0]}")
    if released and Version(version) < released[0]:
        found.append(f"the version {version} is older than the newest in CHANGELOG, {released[0]}")
    for tag in (tag for tag in tags if re.match(r"v\d", tag)):
        if tag != f"v{version}":
            found.append(f"the tag {tag} stands on version {version}")
        if Version(version) not in released:
            found.append(f"the tag {tag} has no heading in CHANGELOG")
    return found
