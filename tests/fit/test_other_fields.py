"""Versions with other fields than the rows of a fit have: they are compared on none."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.call import Request
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.fit.comparing import Comparing
from dltk_runtime.fit.options import fit_options
from dltk_runtime.payload import Payload
from dltk_runtime.tables.feature import Feature


class FakeVersion:
    """A version with a manifest of fields alone."""

    def __init__(self, number: int, fields: str, target: str = "y", error: Exception | None = None) -> None:
        self.number = number
        self._error = error
        features = [Feature(name, "number") for name in (*fields.split(), target)]
        self._manifest = SimpleNamespace(features=features, fields=fields.split(), targets=[target])

    def manifest(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._manifest

    def location(self) -> Any:
        return SimpleNamespace(seen="")


def problem_of(new: FakeVersion, old: FakeVersion, meta: dict[str, Any]) -> str:
    store = SimpleNamespace(remote=False)
    options = fit_options({"promote": "better:mae", "holdout": "0.2"})
    request = Request.of(Payload(b"", escaped=False), {"target_variables": ["y"]} | meta)
    comparing = Comparing(cast(Any, store), cast(Any, None))
    return asyncio.run(comparing.compare(cast(Any, new), cast(Any, old), options, request)).problem


@pytest.mark.parametrize("meta", [{}, {"feature_variables": None}, {"feature_variables": ["a", "b"]}])
def test_rows_with_the_fields_are_compared_whatever_the_request_names(meta: dict[str, Any]) -> None:
    problem = problem_of(FakeVersion(2, "a b"), FakeVersion(1, "a"), meta)
    assert "it is not known which rows version 2 has seen" in problem  # which is asked next


def test_rows_that_lack_a_field_of_the_current_version_are_named() -> None:
    problem = problem_of(FakeVersion(2, "a"), FakeVersion(1, "a b"), {"feature_variables": ["a"]})
    assert "version 1 was fitted on 'b', too, which this fit was not sent" in problem


def test_a_damaged_version_cannot_be_measured() -> None:
    damaged = FakeVersion(1, "a", error=StoreDamaged("The manifest is cut."))
    assert "cannot be measured: The manifest is cut" in problem_of(FakeVersion(2, "a"), damaged, {})
