"""The variant ``compat``: which packages it takes in place of DSDL 5.2.4's, and the table of both.

What differs, and why, is in ``locks/compat.toml``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
DSDL = ROOT / "dltk_runtime" / "volume" / "dsdl_5.2.4_versions.txt"
DIFFERENCES = ROOT / "locks" / "compat.toml"
LOCK = ROOT / "locks" / "compat.txt"
CPU_LOCK = ROOT / "locks" / "cpu.txt"
SHORT = DSDL.with_name("compat_differences.txt")
PAGE = ROOT / "docs" / "reference" / "compat.md"
MARK = "<!-- below: written by `make tables` -->\n"
DEVELOPMENT = "development"  # the group of `added` that an image lacks


@dataclass(frozen=True, slots=True)
class Row:
    """One package of DSDL's: its version there, what is here ("" for nothing), and why that is another one."""

    package: str
    theirs: str
    ours: str
    why: str = ""


def locked(lock: Path) -> dict[str, str]:
    """Return the versions of a lock by package."""
    pairs = (line.partition("==") for line in lock.read_text(encoding="utf-8").split())
    return {name: version for name, _, version in pairs}


def dsdl() -> list[Requirement]:
    """Return the packages of DSDL's image, with their extras and versions."""
    lines = DSDL.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if "==" in line]


def differences() -> dict[str, Any]:
    """Return what `DIFFERENCES` says."""
    return tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))


def requirements(*, development: bool) -> list[str]:
    """Return what `compat` asks for; without `development` what its image holds."""
    groups = differences()["added"].items()
    added = [name for group, names in groups if development or group != DEVELOPMENT for name in names]
    return [*_of_dsdl(), *added]


def constraints() -> list[str]:
    """Return the versions of locks/cpu.txt of all that `requirements` give no version."""
    asked = map(Requirement, requirements(development=True))
    fixed = {canonicalize_name(each.name) for each in asked if each.specifier}
    return [f"{name}=={version}" for name, version in locked(CPU_LOCK).items() if name not in fixed]


def rows() -> list[Row]:
    """Return a row for each package of DSDL's.

    Raises:
        ValueError: the lock holds another version than DSDL, and no reason is given.
    """
    ours, instead = locked(LOCK), differences()["instead"]
    found = []
    for each in dsdl():
        name, theirs = canonicalize_name(each.name), str(each.specifier).removeprefix("==")
        difference = instead.get(name, {"take": name, "why": ""})
        taken = canonicalize_name(Requirement(difference["take"]).name) if difference["take"] else ""
        version = ours.get(taken, "")
        shown = f"{taken} {version}" if version and taken != name else version
        if shown != theirs and not difference["why"]:
            raise ValueError(f"{name}: {theirs} in DSDL, {shown or 'nothing'} in {LOCK}; say why in {DIFFERENCES}")
        found.append(Row(name, theirs, shown, difference["why"]))
    return found


def added() -> dict[str, str]:
    """Return the versions of what is locked and stands for no package of DSDL's."""
    taken = {canonicalize_name(Requirement(text).name) for text in _of_dsdl()}
    return {name: version for name, version in locked(LOCK).items() if name not in taken}


def markdown() -> str:
    """Return the tables of docs/reference/compat.md."""
    every = rows()
    differing = [f"| {row.package} | {row.theirs} | {row.ours or 'none'} | {row.why} |" for row in every if row.why]
    same = [f"| {row.package} | {row.theirs} | {row.ours} |" for row in every if not row.why]
    lines = [
        f"{len(same)} of DSDL's {len(every)} packages are here at DSDL's version, {len(differing)} are not:",
        *("", "| package | DSDL 5.2.4 | compat | why they differ |", "|---|---|---|---|", *differing),
        *("", "Packages that DSDL's list lacks:", ""),
        ", ".join(f"{name} {version}" for name, version in added().items()) + ".",
        *("", "The same in both:", "", "| package | DSDL 5.2.4 | compat |", "|---|---|---|", *same),
    ]
    return "\n".join(lines) + "\n"


def short() -> str:
    """Return the text of `SHORT`: what differs from DSDL, for the judgement of old models."""
    lines = [f"{row.package}=={row.ours.split()[-1] if row.ours else 'none'}" for row in rows() if row.why]
    return "# Where the variant compat differs from DSDL 5.2.4. Written by `make tables`.\n" + "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the text of docs/reference/compat.md with the current tables below its mark."""
    return f"{text.partition(MARK)[0]}{MARK}\n{markdown()}"


def _of_dsdl() -> list[str]:
    """Return what is asked for in place of DSDL's packages, in their order."""
    instead = differences()["instead"]
    taken = (
        instead[canonicalize_name(each.name)]["take"] if canonicalize_name(each.name) in instead else str(each)
        for each in dsdl()
    )
    return [each for each in taken if each]


if __name__ == "__main__":
    SHORT.write_text(short(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
