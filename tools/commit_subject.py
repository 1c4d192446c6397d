"""Check the subject of a commit message: the hook ``commit-msg`` passes the file that holds the message."""

from __future__ import annotations

import sys
from pathlib import Path

MAX_CHARACTERS = 72


def faults(message: str) -> list[str]:
    """Return what is wrong with the subject of `message` and with the line after it."""
    subject, *rest = [line for line in message.splitlines() if not line.startswith("#")] or [""]
    found = []
    if not subject.strip():
        found.append("the subject is empty")
    if len(subject) > MAX_CHARACTERS and not subject.startswith(("Merge ", "Revert ")):
        found.append(f"the subject has {len(subject)} characters; at most {MAX_CHARACTERS} are shown everywhere")
    if subject.endswith("."):
        found.append("the subject ends in a full stop")
    if rest and rest[0].strip():
        found.append("the line after the subject must be empty")
    return found


def main() -> int:
    found = faults(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for each in found:
        print(f"commit message: {each}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
