"""Who did something: texts from outside on one line, and the search's id wherever `meta` has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.access.actor import MAX_REASON_CHARACTERS, Actor
from dltk_runtime.call import MAX_SID_CHARACTERS, Request
from dltk_runtime.payload import NO_ROWS

SAMPLES = Path(__file__).parents[1] / "data" / "meta_samples.json"
FOLDER = "/opt/splunk/var/run/splunk/dispatch/scheduler__admin__search__RMD5abc_at_1769846400_12"


@pytest.mark.parametrize(
    ("meta", "sid"),
    [
        ({}, ""),
        ({"sid": "1769846400.1"}, "1769846400.1"),
        ({"search_info": {"sid": "1769846400.2"}}, "1769846400.2"),
        ({"options": {"search_info": {"sid": "1769846400.3"}}}, "1769846400.3"),
        ({"search_info": {"dispatch_dir": FOLDER}}, FOLDER.rpartition("/")[2]),
        ({"options": {"dispatch_dir": FOLDER + "/"}}, FOLDER.rpartition("/")[2]),
        ({"dispatch_dir": r"C:\Splunk\var\run\splunk\dispatch\1769846400.4"}, "1769846400.4"),
        ({"sid": 5, "search_info": ["sid"], "options": {"search_info": "sid"}}, ""),
        ({"sid": "", "search_info": {"sid": "1769846400.6"}}, "1769846400.6"),
        ({"sid": "a\n\x1b[31mb"}, "a b"),
        ({"sid": "x" * 1_000_000}, "x" * MAX_SID_CHARACTERS),
    ],
)
def test_the_search_s_id_is_read_where_it_is_and_never_required(meta: dict[str, Any], sid: str) -> None:
    assert Request.of(NO_ROWS, meta).sid == sid


def test_the_one_recorded_request_that_names_its_search_is_read() -> None:
    metas = json.loads(SAMPLES.read_text())
    sids = [Request.of(NO_ROWS, meta).sid for meta in metas]
    assert len(sids) == 56  # as our texts say
    assert {number: sid for number, sid in enumerate(sids) if sid} == {32: "1569836257.17320"}


def test_a_reason_is_one_line_and_has_a_bound() -> None:
    reason = Actor().because("  too many\r\nfalse\talarms\u202e " + "x" * 10_000).reason
    assert reason.startswith("too many false alarms")
    assert len(reason) == MAX_REASON_CHARACTERS
    assert "\u202e" not in reason
