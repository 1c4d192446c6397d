"""The flows over which ``make appinspect`` lets Splunk's own checks run can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.helpers import invoke
from tools.appinspect import FLOWS, name_of


@pytest.mark.parametrize("variant", FLOWS)
def test_appinspect_gets_an_app_of_every_variant(variant: str, tmp_path: Path) -> None:
    kind, *options = FLOWS[variant]
    invoke("flow", "new", kind, name_of(variant), "--defaults", "--to", str(tmp_path / variant), *options)
    assert list((tmp_path / variant).glob("dltk_flow_*/default/app.conf"))
