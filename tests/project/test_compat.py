"""The variant compat: its lock, DSDL's list, the reasons for differences and the page agree."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dltk_runtime.notebook import surroundings
from dltk_runtime.volume import libraries
from tests.project.test_project import ROOT, locked, requirements
from tests.support.service import ROOT as CHECKOUT
from tools import compat

OURS = locked(ROOT / "locks" / "compat.txt")
CPU = locked(ROOT / "locks" / "cpu.txt")


def test_the_page_compares_the_lock_with_dsdl() -> None:
    page = compat.PAGE.read_text(encoding="utf-8")
    assert compat.page(page) == page, "run `make tables`"
    assert compat.SHORT.read_text(encoding="utf-8") == compat.short(), "run `make tables`"


def test_old_models_are_judged_by_what_compat_has() -> None:
    assert len(libraries.dsdl()) - len(libraries.compat()) == 2
    assert {name for name in libraries.dsdl() if name not in libraries.compat()} == {"pymc3", "theano-pymc"}
    wrong = [(name, version) for name, version in libraries.compat().items() if version not in _versions(name)]
    assert wrong == []


def _versions(name: str) -> set[str]:
    """Return the locked versions of a package or of its build for the CPU."""
    return {OURS.get(each, "") for each in (name, f"{name}-cpu")} - {""}


def test_every_package_of_dsdl_is_locked_at_its_version_or_has_a_reason() -> None:
    rows = compat.rows()
    assert len(rows) == len({row.package for row in rows}) > 280
    assert [row.package for row in rows if (row.ours != row.theirs) != bool(row.why)] == []
    known = {row.package for row in rows}
    assert [name for name in compat.differences()["instead"] if name not in known] == []


def test_a_difference_without_a_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without = compat.differences() | {"instead": {}}
    monkeypatch.setattr(compat, "differences", lambda: without)
    with pytest.raises(ValueError, match=r"arviz: 0\.17\.1 in DSDL, 0\.18\.0 in .*compat\.txt; say why"):
        compat.rows()


def test_what_only_compat_has_is_said_where_it_is_missing() -> None:
    named = set(surroundings.ONLY_IN_COMPAT.values())
    assert {name for name in named if name not in OURS or name in CPU} == set()
    assert surroundings.not_installed("rrcf").endswith("; the variant compat has it")
    assert "compat" not in surroundings.not_installed("no_such_library")


def test_the_libraries_that_notebooks_notice_are_dsdls() -> None:
    assert {name: OURS[name] for name in ("pandas", "numpy", "scikit-learn", "keras", "tensorflow-cpu")} == {
        "pandas": "2.3.3",
        "numpy": "1.26.4",
        "scikit-learn": "1.6.1",
        "keras": "3.10.0",
        "tensorflow-cpu": "2.20.0",
    }
    assert OURS["torch"] == CPU["torch"]


def test_the_lock_holds_what_the_runtime_needs_and_no_cuda() -> None:
    wrong = [
        str(each)
        for each in requirements([])
        if not each.specifier.contains(OURS.get(canonicalize_name(each.name), "0"))
    ]
    assert wrong == []
    assert [name for name in OURS if name.startswith(("nvidia-", "cuda-", "triton"))] == []
    assert all(canonicalize_name(Requirement(each).name) in OURS for each in compat.requirements(development=True))


def test_its_tests_exist() -> None:
    names = (CHECKOUT / "tests" / "compat" / "files.txt").read_text(encoding="utf-8").split()
    assert len(names) > 10
    assert [name for name in names if not (CHECKOUT / name).exists()] == []
