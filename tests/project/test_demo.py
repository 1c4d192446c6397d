"""``make demo`` does what the README promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

DEMO = Path(__file__).resolve().parents[2] / "tools" / "demo.py"


def test_the_demo_trains_and_applies_both_models_and_ends_well() -> None:
    done = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"Right on (?:9\d|100)\.\d% of \d+ rows", done.stdout)) == 2
    assert "The runtime has stopped." in done.stdout
