"""The chart's values, their schema and the README's table name the same keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # of jupyter_server's dependencies
import pytest

from dltk_runtime.settings import VARIABLES
from tests.deploy import readme
from tests.deploy.chart import CHART

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def leaves(schema: dict[str, Any], values: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each key of the schema, and whether the values have it; objects without listed keys are leaves."""
    for key, inner in schema["properties"].items():
        known = key in values
        if known and "properties" in inner:
            yield from leaves(inner, values[key], f"{path}{key}.")
        else:
            yield path + key, known


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(readme.values())] == []


def test_the_schema_names_the_values_and_no_others() -> None:
    found = dict(leaves(SCHEMA, readme.values()))
    assert [key for key, known in found.items() if not known] == ["global"]  # helm adds it for parent charts
    assert len(found) > 80


def test_every_value_is_described_in_the_readme() -> None:
    described = {path for path, _ in readme.described()}
    own = {key for key, known in leaves(SCHEMA, readme.values()) if known}
    assert described == own


def test_the_readmes_table_is_that_of_the_values() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.written(text) == text, "python -m tests.deploy.readme writes it"


def test_what_the_chart_refuses_in_env_are_all_of_the_settings_secrets() -> None:
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    secrets = {each.name for each in VARIABLES.values() if each.secret}
    assert len(secrets) > 4
    assert {name for name in secrets if f'"{name}"' not in checks} == set()


@pytest.mark.parametrize("place", ["", "image", "secret", "storage", "podMonitor", "autoscaling"])
def test_a_mistyped_key_is_refused(place: str) -> None:
    values = readme.values()
    (values[place] if place else values)["mistyped"] = 1
    errors = [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(values)]
    assert errors == ["Additional properties are not allowed ('mistyped' was unexpected)"]
