"""Writes the locks: every package at one exact version, transitive ones too, without any address.

Resolved by uv for the oldest Python that `pyproject.toml` allows, on Linux x86-64, from its one list of
dependencies; the variant ``compat`` from DSDL's list of packages (`tools.compat`). A version that is already locked
stays as long as it fits; ``--upgrade`` moves them all. Beside each lock, ``locks/hashed/`` has one with hashes, which
are all that pip installs from.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools import compat

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
HASHED = LOCKS / "hashed"  # the same entries with the hash of every file that pip may take
MORE = HASHED / "more.txt"
RUNTIME, NOTEBOOKS, DEVELOPMENT, ALL = "runtime", "notebooks", "development", "all"  # groups of a lock with hashes
UV = Path(os.environ.get("UV", ROOT / ".venv-tools" / "bin" / "uv"))

# One lock per variant: the extras it holds, and packages that are left out of it.
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    # The CPU build of torch is the same version without CUDA; the metadata of the public wheel names CUDA always.
    "cpu": (("all", "dev"), r"(cuda|nvidia)-|triton=="),
    "gpu": (("all-gpu", "dev"), r"$."),
}
COMPAT = "compat"
WITHOUT_CUDA = ("cpu", COMPAT)

# What the tests of `make cluster-test` need beside the runtime and Ray.
CLUSTER_TESTS = ("editables", "hatchling", "hypothesis", "pytest", "pytest-timeout", "pytest-xdist")


def oldest_python() -> str:
    """``3.11``, from ``requires-python = ">=3.11"``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["requires-python"]).removeprefix(">=")


def resolve(variant: str, *, upgrade: bool) -> str:
    """The lock of `variant` as uv writes it: one ``name==version`` a line."""
    extras, _ = VARIANTS[variant]
    output = LOCKS / f"{variant}.txt"
    command = [
        *(str(UV), "pip", "compile", "pyproject.toml", "--quiet", "--no-config", "--no-annotate", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links", "--python-platform", "x86_64-manylinux_2_28"),
        *("--python-version", oldest_python(), "--output-file", str(output)),
        *(argument for extra in extras for argument in ("--extra", extra)),
        *(["--upgrade"] if upgrade else []),
    ]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return output.read_text(encoding="utf-8")


def compiled(source: Path | str, *options: str) -> str:
    """What `uv pip compile` makes of a file of requirements, or of requirements themselves."""
    target = {} if isinstance(source, Path) else {"input": source}
    command = [
        *(str(UV), "pip", "compile", str(source) if isinstance(source, Path) else "-", "--quiet", "--no-config"),
        *("--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"),
        *("--python-platform", "x86_64-manylinux_2_28", "--python-version", f"{oldest_python()}.9", *options),
    ]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **target).stdout


def hashed(lock: Path) -> dict[str, str]:
    """The entries of a lock by package, each with the hashes of its files: PyPI's, or those of `MORE` if it has any.

    pip prefers a file whose hash an index tells, so that with both it would never take that of `MORE`.
    """
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", compiled(lock, "--no-deps", "--generate-hashes").strip()):
        entries[entry.split("==")[0]] = entry
    for pinned, digest in re.findall(
        r"^(\S+==\S+) (sha256:[0-9a-f]{64})", MORE.read_text(encoding="utf-8"), re.MULTILINE
    ):
        name = pinned.split("==")[0]
        if name in entries and entries[name].split()[0] == pinned:
            entries[name] = f"{pinned} \\\n    --hash={digest}"
    return entries


def names(text: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))


def asked(variant: str, *, development: bool) -> tuple[Path | str, list[str]]:
    """What a variant asks for, and uv's options for it; without `development` what its image holds."""
    if variant == COMPAT:
        return "\n".join(compat.requirements(development=development)), []
    extras = VARIANTS[variant][0][: None if development else 1]
    return ROOT / "pyproject.toml", [argument for extra in extras for argument in ("--extra", extra)]


def write_compat() -> None:
    """Write the lock of the variant compat: DSDL's versions, beside them those of the CPU's lock."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(compat.constraints()))
        file.flush()
        lines = compiled(asked(COMPAT, development=True)[0], "--constraint", file.name).splitlines()
    kept = [line for line in lines if line and not re.match(VARIANTS["cpu"][1], line)]
    compat.LOCK.write_text("\n".join(kept) + "\n", encoding="utf-8")
    print(f"locks/{compat.LOCK.name}: {len(kept)} packages", file=sys.stderr)


def write_hashed(lock: Path) -> None:
    """Write the lock with hashes; that of a variant in groups, which container/build.sh takes one after another."""
    entries = hashed(lock)
    groups = {}
    if lock.stem in (*VARIANTS, COMPAT):
        constraint = ("--constraint", str(lock))
        groups[RUNTIME] = names(compiled(ROOT / "pyproject.toml", *constraint))
        source, options = asked(lock.stem, development=False)
        groups[NOTEBOOKS] = names(compiled(source, *options, *constraint)) - groups[RUNTIME]
    groups[DEVELOPMENT if groups else ALL] = set(entries).difference(*groups.values())
    text = ""
    for title, members in groups.items():
        text += f"# {title}\n" + "".join(f"{entries[name]}\n" for name in sorted(members & set(entries)))
    (HASHED / lock.name).write_text(text, encoding="utf-8")


def write_left_out(variant: str) -> None:
    """Write what a variant leaves out, with hashes: PyPI's build of torch, and the libraries that it needs."""
    lock = LOCKS / f"{variant}.txt"
    source, options = asked(variant, development=True)
    text = compiled(source, *options, "--constraint", str(lock), "--generate-hashes")
    entries = {entry.split("==")[0]: entry for entry in re.split(r"\n(?=\S)", text.strip())}
    replaced = names(MORE.read_text(encoding="utf-8").replace(" sha256:", "\n")) if variant in WITHOUT_CUDA else set()
    left_out = sorted(set(entries) - names(lock.read_text(encoding="utf-8")) | replaced)
    if left_out:
        target = HASHED / f"{variant}-pypi.txt"
        target.write_text("".join(f"{entries[name]}\n" for name in left_out), encoding="utf-8")


def write_cluster() -> None:
    """Write the lock of the tests on a Ray cluster: the runtime with Ray, in the versions of the CPU's lock."""
    asked = [f"dltk-runtime[cluster,splunk] @ {ROOT.as_uri()}", *CLUSTER_TESTS]
    lines = compiled(
        "\n".join(asked), "--constraint", str(LOCKS / "cpu.txt"), "--no-emit-package", "dltk-runtime"
    ).splitlines()
    (LOCKS / "cluster.txt").write_text("\n".join(filter(None, lines)) + "\n", encoding="utf-8")


def write_build_lock() -> None:
    """Write what builds the project's own wheel, in the versions of the variants' lock, with hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = names(compiled("\n".join(project["build-system"]["requires"]), "--constraint", str(LOCKS / "cpu.txt")))
    entries = hashed(LOCKS / "cpu.txt")
    (HASHED / "build.txt").write_text("".join(f"{entries[name]}\n" for name in sorted(needed)), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("--hashes", action="store_true", help="only write the hashes of what is locked already")
    arguments = parser.parse_args()
    for variant, (_, left_out) in ({} if arguments.hashes else VARIANTS).items():
        lines = resolve(variant, upgrade=arguments.upgrade).splitlines()
        kept = [line for line in lines if line and not re.match(left_out, line)]
        (LOCKS / f"{variant}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
        print(f"locks/{variant}.txt: {len(kept)} packages", file=sys.stderr)
    if not arguments.hashes:
        write_compat()
        write_cluster()
    for lock in sorted(LOCKS.glob("*.txt")):
        write_hashed(lock)
    for variant in (*VARIANTS, COMPAT):
        write_left_out(variant)
    write_build_lock()


if __name__ == "__main__":
    main()
