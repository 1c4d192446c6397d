"""Looks for known weaknesses of everything that is locked:  tools/audit.py PIP_AUDIT [LOCK…]

pip-audit asks an advisory database. What it could not ask about counts as unknown, never as well: it exits with 0 then.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = tuple(ROOT / "locks" / "hashed" / f"{name}.txt" for name in ("cpu", "gpu", "tools", "docs"))
SECONDS = 1800
KNOWN, UNKNOWN = 1, 2  # exit codes


def audited(pip_audit: str, lock: Path) -> list[dict[str, Any]] | None:
    """What pip-audit found for each package of a lock; None if it failed."""
    options = ("--no-deps", "--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
    command = [pip_audit, "--requirement", str(lock), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        print(f"{lock.name}: pip-audit failed: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return None


def main(pip_audit: str, *given: str) -> int:
    code = 0
    for lock in map(Path, given or LOCKS):
        found = audited(pip_audit, lock) or []
        asked = [each for each in found if "skip_reason" not in each]
        weak = [each for each in asked if each["vulns"]]
        for each in weak:
            print(f"{lock.name}: {each['name']} {each['version']}: {', '.join(one['id'] for one in each['vulns'])}")
        if not asked:
            print(f"{lock.name}: nothing was checked: no advisory database is reachable from here.", file=sys.stderr)
        elif len(asked) < len(found):
            names = ", ".join(each["name"] for each in found if "skip_reason" in each)
            print(f"{lock.name}: not checked, as the database does not have them: {names}", file=sys.stderr)
        print(f"{lock.name}: {len(weak)} of {len(asked)} checked packages have known weaknesses")
        code = max(code, KNOWN if weak else 0, UNKNOWN if len(asked) < max(len(found), 1) else 0)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
