"""The wheels of the gpu variant: no two packages may contain the same file."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest
from engine import ROOT


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """Download the wheels that only the gpu lock names: CUDA, and frameworks built for it."""
    cpu, gpu = ((ROOT / "locks" / f"{variant}.txt").read_text().splitlines() for variant in ("cpu", "gpu"))
    only = [line for line in gpu if line not in cpu]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(tmp_path),
        *only,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=3000)
    return sorted(tmp_path.glob("*.whl"))


def test_no_two_packages_write_different_content_into_one_file(wheels: list[Path]) -> None:
    """Empty ``__init__.py`` files of shared folders are exempt."""
    contents: dict[str, dict[tuple[int, int], str]] = defaultdict(dict)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for file in archive.infolist():
                contents[file.filename][(file.file_size, file.CRC)] = wheel.name
    size = sum(wheel.stat().st_size for wheel in wheels)
    print(f"{len(wheels)} wheels, {size / 1000**3:.1f} GB")
    for wheel in wheels:
        wheel.unlink()
    assert {name: set(found.values()) for name, found in contents.items() if len(found) > 1} == {}
    assert "nvidia/cudnn/lib/libcudnn.so.9" in contents
