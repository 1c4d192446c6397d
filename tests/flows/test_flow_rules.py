"""Each rule of ``dltk flow check``: the generated apps break none, and one small change breaks each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.flow import FILE, Flow, text_of
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rules import RULES, check
from tests.flows.broken import CASES
from tests.flows.broken.files import SEARCHES
from tests.flows.helpers import flow_of


@lru_cache
def _made(kind: str) -> Mapping[str, str]:
    if kind == "anomalies":
        return written_by_new(flow_of("direct", anomalies=True))
    return written_by_new(
        flow_of("summary", source=kind) if kind in ("indexed", "metrics", "datamodel") else flow_of(kind)
    )


def made(kind: str) -> dict[str, str]:
    """The files of the flow ``x`` of that kind; variants of a summary and without a target have names of their own."""
    return dict(_made(kind))


def written_by_new(flow: Flow) -> dict[str, str]:
    """The files that ``dltk flow new`` writes."""
    return files(flow) | {FILE: text_of(flow)}


def write(folder: Path, made: dict[str, str]) -> None:
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def numbers(folder: Path, *only: int) -> set[int]:
    """Return the rules that the apps break, of those of these numbers, if any is given."""
    rules = [rule for rule in RULES if rule.number in only] if only else RULES
    return {finding.rule.number for finding in check(find_apps(folder), rules)}


@pytest.mark.parametrize("kind", ["direct", "summary", "indexed", "metrics", "datamodel", "feedback"])
def test_the_generated_apps_break_no_rule(kind: str, tmp_path: Path) -> None:
    write(tmp_path, made(kind))
    assert [(each.rule.number, each.found) for each in check(find_apps(tmp_path))] == []


def test_an_identifier_that_is_no_feature_has_a_letter_in_front_on_its_way_through_apply(tmp_path: Path) -> None:
    flow = flow_of("feedback", features=["f_len"], derive="eval entity=lower(entity), f_len=len(entity)")
    write(tmp_path, written_by_new(flow))
    assert [(each.rule.number, each.found) for each in check(find_apps(tmp_path))] == []


@pytest.mark.parametrize(("number", "kind", "name", "old", "new"), sorted(CASES, key=lambda case: case[0]))
def test_a_small_change_breaks_the_rule(number: int, kind: str, name: str, old: str, new: str, tmp_path: Path) -> None:
    texts = made(kind)
    path = str(Path("dltk_flow_x", name)) if not name.startswith("..") else name.removeprefix("../")
    text = texts.get(path, "")
    assert old in text
    texts[path] = text.replace(old, new) if old else text + new
    write(tmp_path, texts)
    assert numbers(tmp_path, number) == {number}


def test_every_rule_has_such_a_change_and_a_number_of_its_own() -> None:
    known = [rule.number for rule in RULES]
    assert known == sorted(set(known))
    assert {number for number, *_ in CASES} == set(known)


def test_a_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in RULES:
        assert rule.text.endswith("."), rule.number
        assert rule.fix.endswith("."), rule.number


def test_a_view_that_is_no_xml_is_named(tmp_path: Path) -> None:
    texts = made("direct")
    texts["dltk_flow_x/default/data/ui/views/overview.xml"] = "<form"
    write(tmp_path, texts)
    assert numbers(tmp_path) == {713}


@pytest.mark.parametrize("latest", ["rt", "@mon", "-1d@d+3h"])
def test_times_that_cannot_be_resolved_here_are_passed_over(tmp_path: Path, latest: str) -> None:
    texts = made("datamodel")
    path = f"dltk_flow_x/{SEARCHES}"
    texts[path] = texts[path].replace("dispatch.latest_time = -24m@m", f"dispatch.latest_time = {latest}")
    write(tmp_path, texts)
    assert numbers(tmp_path, 209, 522) == set()
