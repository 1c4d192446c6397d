"""``dltk flow test`` fails on each seeded fault of a generated app: three of them in a gate, all in ``make flows``."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from tests.flows.faults import FAULTS, MADE_UP, READ
from tests.flows.helpers import invoke
from tests.flows.variants import ALL, VARIANTS, commit
from tests.support.service import ROOT

IN_A_GATE = 3


def drawn() -> list[str]:
    """Return the faults that run: all of them, or those of this commit."""
    names = sorted(FAULTS)
    return names if os.environ.get(ALL) else sorted(random.Random(commit()).sample(names, IN_A_GATE))


def test_there_are_twenty_faults_and_each_is_an_edit_that_can_be_made(tmp_path: Path) -> None:
    assert (len(READ), len(MADE_UP), len(FAULTS)) == (10, 10, 20)
    for variant in {fault.variant for fault in FAULTS.values()}:
        written(tmp_path / variant, variant)
    for name, fault in FAULTS.items():
        text = (tmp_path / fault.variant / "dltk_flow_web" / fault.file).read_text()
        assert fault.old in text, name


def written(folder: Path, variant: str) -> None:
    kind, *options = VARIANTS[variant]
    invoke("flow", "new", kind, "web", "--defaults", "--interval", "60", "--to", str(folder), *options)


@pytest.mark.process
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", drawn())
def test_flow_test_fails_and_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    written(tmp_path, fault.variant)
    path = tmp_path / "dltk_flow_web" / fault.file
    path.write_text(path.read_text().replace(fault.old, fault.new))
    arguments = ["flow", "test", str(tmp_path), "--days", str(fault.days), "--notebooks", str(ROOT / "notebooks")]
    result = CliRunner().invoke(dltk, arguments)
    said = " ".join(f"{result.output} {result.exception}".split())
    assert result.exit_code == 1, said
    assert fault.said in said
    assert "The flow works." not in said
