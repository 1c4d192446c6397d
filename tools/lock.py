"""Writes the locks: every package at one exact version, transitive ones too, without any address.

Resolved by uv for the oldest Python that `pyproject.toml` allows, on Linux x86-64, from its one list of
dependencies. A version that is already locked stays as long as it fits; ``--upgrade`` moves them all.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
UV = ROOT / ".venv-tools" / "bin" / "uv"

# One lock per variant: the extras it holds, and packages that are left out of it.
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    # The CPU build of torch is the same version without CUDA; the metadata of the public wheel names CUDA always.
    "cpu": (("all", "dev"), r"(cuda|nvidia)-|triton=="),
    "gpu": (("all-gpu", "dev"), r"$."),
}


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    arguments = parser.parse_args()
    for variant, (_, left_out) in VARIANTS.items():
        lines = resolve(variant, upgrade=arguments.upgrade).splitlines()
        kept = [line for line in lines if line and not re.match(left_out, line)]
        (LOCKS / f"{variant}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
        print(f"locks/{variant}.txt: {len(kept)} packages", file=sys.stderr)


if __name__ == "__main__":
    main()
