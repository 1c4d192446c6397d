"""Whole rehearsals, from ``flow new`` to "The flow works.", of the variants that this commit draws.

That people's labels make a better model takes several days: the feedback flow has a rehearsal of them of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.helpers import invoke
from tests.flows.variants import VARIANTS, drawn
from tests.support.service import ROOT


@pytest.mark.process
@pytest.mark.timeout(900)
@pytest.mark.parametrize("variant", drawn())
def test_flow_test_ends_green_and_says_which_text_did_not_run(tmp_path: Path, variant: str) -> None:
    kind, *options = VARIANTS[variant]
    invoke("flow", "new", kind, "web", "--defaults", "--interval", "60", "--to", str(tmp_path), *options)
    assert ", 0 findings." in invoke("flow", "check", str(tmp_path))
    said = invoke("flow", "test", str(tmp_path), "--days", "1", "--notebooks", str(ROOT / "notebooks"))
    assert "The flow works." in said
    assert "not run: dltk_web_base (" in " ".join(said.split())
    assert ("anomalies found" in said) == ("--anomalies" in options)
