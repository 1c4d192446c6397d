"""Libraries of the volume: for workers, kernels and what they start, and behind those of the image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dltk_runtime.paths import SITE

pytestmark = pytest.mark.process


def test_a_library_of_the_volume_is_found_and_replaces_nothing(tmp_path: Path) -> None:
    volume, hidden = tmp_path / "volume", tmp_path / "hidden"
    for folder in (volume, hidden):
        folder.mkdir()
    (volume / "colours.py").write_text("RED = 1\n")
    (volume / "click.py").write_text("raise SystemExit('the volume replaced a library')\n")
    (volume / "json.py").write_text("raise SystemExit('the volume replaced the standard library')\n")
    (hidden / "sitecustomize.py").write_text("import builtins\nbuiltins.hidden_ran = True\n")
    path = os.pathsep.join([str(SITE), str(hidden)])
    environ = os.environ | {"PYTHONPATH": path, "DLTK_LIBRARIES": str(volume)}
    code = "import click, json, colours; print(colours.RED, hidden_ran, click.Group.__name__)"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1 True Group\n", "")


def test_a_program_without_the_notebooks_packages_does_not_get_them(tmp_path: Path) -> None:
    (tmp_path / "colours.py").write_text("RED = 1\n")
    environ = os.environ | {"DLTK_LIBRARIES": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-I", "-c", "import colours"], env=environ, capture_output=True, check=False)
    assert b"No module named 'colours'" in done.stderr
