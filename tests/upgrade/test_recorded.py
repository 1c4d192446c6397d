"""The same requests get the same answers as when they were recorded: byte by byte, but for what `masking` hides.

A text that is reworded on purpose goes into ``reworded.toml``; anything else that differs is a fault. All differences
are shown at once, each with the name of its request in ``recorded/scenario.yaml``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.comparing import difference, forms, mismatches, reworded, with_rewording
from tests.upgrade.masking import RULES, Mask
from tests.upgrade.record import CHANGED, MADE_WITH, SETTINGS, Reply, mask_for, masked, play, read, serve, versions
from tests.upgrade.scenario import route_of, steps

pytestmark = [pytest.mark.timeout(600), pytest.mark.process]

# What dashboards and people look for (protocol 1.3), to the letter.
OPENINGS = (
    "unable to parse json from POST data",
    "unable to convert raw data to pandas dataframe",
    "unable to stage dataframe",
    "unable to load algo code from module",
    "unable to initialize module",
    "unable to fit model",
    "unable to save model",
    "unable to apply model",
)
MATCHED = (
    "/fit done successfully",
    "/apply done successfully",
    "Model data staged successfully in ",
    " - no model was built yet.",
    "/fit: ERROR: ",
    "/apply: ERROR: ",
    *OPENINGS,
)
ROUTES = (  # Splunk's; those under /v1 stand in the recorded document
    "POST /fit",
    "POST /apply",
    "GET /summary",
    "GET /",
    "GET /graphics/{file}",
    "POST /compute",
    "GET /metrics",
    "GET /livez",
    "GET /readyz",
)
OPEN = ("GET /graphics/{file}", "POST /compute", "GET /livez", "GET /readyz")  # routes that want no token
BEGINNING = "apply beside the one kept back"  # the step up to which the scenario is played a second time
POSITIONS = 30  # bytes of one answer that are changed, one after another,
SPANS = 10  # beside those next to the first parts that are masked

STEPS = steps()
ANSWERS = read()
BODIES = {answer["name"]: answer["body"] for answer in ANSWERS}


@dataclass(frozen=True, slots=True)
class Recording:
    """What one server answered, as it came and masked."""

    raw: list[Reply]
    mask: Mask

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The answers as the recorded ones are kept."""
        return [masked(reply, self.mask) for reply in self.raw]


def record(folder: Path, until: str = "") -> Recording:
    """Play the scenario on a new server, up to the step of that name."""
    last = [step["name"] for step in STEPS].index(until) + 1 if until else None
    with serve(folder) as server:
        return Recording(list(play(server, STEPS[:last])), mask_for(server))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Today's answers to the whole scenario."""
    return record(tmp_path_factory.mktemp("recording"))


# ------------------------------------------------------------ the answers


def expected() -> list[dict[str, Any]]:
    """The recorded answers with what has changed on purpose since: reworded texts, and whole answers."""
    changed = {answer["name"]: {part: answer[part] for part in answer if part != "why"} for answer in read(CHANGED)}
    return [changed.get(answer["name"], answer) for answer in with_rewording(ANSWERS, reworded())]


def test_the_same_requests_get_the_same_answers(recording: Recording) -> None:
    found = list(mismatches(expected(), recording.answers))
    assert not found, "\n\n".join([f"{len(found)} differences ({made_with()}):", *found])


def made_with() -> str:
    """What the answers were recorded with and what they are compared with: a library's texts are in them too."""
    recorded = json.loads(MADE_WITH.read_text(encoding="utf-8"))
    return f"recorded with {recorded}" if recorded == versions() else f"recorded with {recorded}, this is {versions()}"


def test_two_recordings_of_the_same_code_are_equal(recording: Recording, tmp_path: Path) -> None:
    again = record(tmp_path, until=BEGINNING).answers
    first = {reply.name for reply in recording.raw[: len(again)]}
    earlier = [answer for answer in recording.answers if answer["name"] in first]
    assert len(again) > 100
    assert list(mismatches(earlier, again)) == []


def failed(answer: dict[str, Any]) -> bool:
    """Whether an answer says that something went wrong."""
    return answer["status"] >= 400 or answer["body"].startswith('{"status":"error"')


def test_the_scenario_is_large_enough() -> None:
    assert len(ANSWERS) >= 240
    assert sum(map(failed, ANSWERS)) >= 100
    assert len({answer["name"] for answer in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize("text", MATCHED)
def test_every_text_that_clients_match_is_recorded(text: str) -> None:
    assert any(text in answer["body"] for answer in ANSWERS)


@pytest.mark.parametrize("opening", OPENINGS)
def test_every_opening_begins_a_message(opening: str) -> None:
    starts = tuple(f'{{"status":"error","message":"{route}: ERROR: {opening}. ' for route in ("/fit", "/apply"))
    assert any(answer["body"].startswith(starts) for answer in ANSWERS)


def documented() -> list[str]:
    """The routes of the recorded OpenAPI document."""
    paths = json.loads(BODIES["the document"])["paths"]
    return [f"{method.upper()} {path}" for path, operations in paths.items() for method in operations]


@pytest.mark.parametrize("route", [*ROUTES, *documented()])
def test_every_route_is_asked_with_and_without_its_token(route: str) -> None:
    pattern = re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(route)))
    asked = {step["name"]: step for step in STEPS if pattern.fullmatch(" ".join(route_of(step)).partition("?")[0])}
    found = [(answer["status"], asked[answer["name"]]) for answer in ANSWERS if answer["name"] in asked]
    without = [status for status, step in found if step.get("authorization", "") is None]
    assert any(status in (200, 410) for status, _ in found)
    assert without
    assert set(without) == {401} or route in OPEN


# ------------------------------------------------------------ the masking


def test_any_other_byte_that_changes_is_found(recording: Recording) -> None:
    """Replaced or left out: in a body or in the headers, everywhere but in what is masked."""
    texts = {(text, reply.samples) for reply in recording.raw for text in (reply.headers, reply.body)}
    unseen = [change for text, samples in sorted(texts) for change in hidden_changes(recording.mask, text, samples)]
    assert unseen == []


def hidden_changes(mask: Mask, text: str, samples: bool) -> Iterator[str]:
    """Changes of single bytes that the masking hides although it masks none of these bytes."""
    original = mask(text, samples=samples)
    for place in places(text, original.spans):
        other = chr(ord(text[place]) ^ 1)
        for instead in (other, ""):
            changed = text[:place] + instead + text[place + 1 :]
            if mask(changed, samples=samples).text == original.text:
                yield difference(text, changed)


def places(text: str, spans: tuple[tuple[int, int], ...]) -> list[int]:
    """Positions outside the spans: some over the whole text, and those beside the first spans."""
    inside = {place for start, end in spans for place in range(start, end)}
    near = {place for span in spans[:SPANS] for place in (span[0] - 1, span[1]) if 0 <= place < len(text)}
    return sorted((near | set(range(0, len(text), len(text) // POSITIONS + 1))) - inside)


JOBS = ("20261129T210123.815327Z-254c8dfd", "20261130T000000.000001Z-00000000")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"created":"2026-11-29T21:01:23.815327Z"', '"created":"2027-01-01T00:00:00Z"'),
        ("last-modified: Sun, 29 Nov 2026 20:56:09 GMT", "last-modified: Mon, 30 Nov 2026 01:02:03 GMT"),
        ('"phases":{"fit":0.25,"save":1e-05},"step":1', '"phases":{"fit":12.5,"save":0.0},"step":1'),
        (f"m,1,done,{JOBS[0]},2026-11-29T21:01:23Z,1.5,3", f"m,1,done,{JOBS[0]},2027-11-29T21:01:23Z,60.0,3"),
        (f"job {JOBS[0]} is queued", f"job {JOBS[1]} is queued"),
        ("in pid 12", "in pid 31012"),
        ("<object object at 0x7fbf6ae27b80>", "<object object at 0x00007f012345>"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:41000/"),
        ("in /tmp/one/home/app", "in /tmp/another/place/home/app"),
        ("'/tmp/dltk-rr2f56q3/96/work'", "'/var/tmp/dltk-klgf6l9m/7/work'"),
        (f"'.staged.{'0a' * 16}.csv'", f"'.staged.{'f1' * 16}.csv'"),
        (
            '  File "/a/dltk_runtime/x.py", line 1 in f\n  File "/a/dltk_runtime/y.py", line 2 in g\n  File "n.ipynb"',
            '  File "/opt/b/dltk_runtime/z/y.py", line 33 in h\n  File "n.ipynb"',
        ),
        ("Extension modules: a.b, c (total: 2)\n", "Extension modules: d (total: 1)\n"),
    ],
)
def test_what_differs_between_two_recordings_is_masked(one: str, other: str) -> None:
    first = Mask({"/tmp/one/home": "<home>", "127.0.0.1:5000": "127.0.0.1:<port>"})
    second = Mask({"/tmp/another/place/home": "<home>", "127.0.0.1:41000": "127.0.0.1:<port>"})
    assert first(one).text == second(other).text != one
    for place in places(one, first(one).spans):
        assert first(one[:place] + one[place + 1 :]).text != first(one).text


def test_one_job_is_not_taken_for_another() -> None:
    mask = Mask({})
    assert mask(f"{JOBS[0]} {JOBS[1]} {JOBS[0]}").text == "<job 1> <job 2> <job 1>"
    assert mask(f"{JOBS[1]} {JOBS[1]} {JOBS[0]}").text == "<job 2> <job 2> <job 1>"


@pytest.mark.parametrize("placeholder", sorted({placeholder for placeholder, _ in RULES} | {"<home>", "<notebooks>"}))
def test_every_mask_is_needed(placeholder: str) -> None:
    assert any(placeholder in answer["body"] + answer["headers"] for answer in expected())


def test_no_secret_and_no_path_of_the_recording_machine_is_recorded() -> None:
    texts = [answer["body"] + answer["headers"] for answer in ANSWERS]
    secrets = ("token-of-the-tests", SETTINGS["DLTK_ADMIN_TOKEN"], "site-packages", "/tmp/", str(Path.home()) + "/")
    assert [(secret, text) for secret, text in itertools.product(secrets, texts) if secret in text] == []


# ------------------------------------------------------------ the comparison


@pytest.mark.parametrize("part", ["status", "headers", "body"])
def test_a_change_is_shown_with_its_request(part: str) -> None:
    found = [dict(answer) for answer in ANSWERS]
    index = next(index for index, answer in enumerate(ANSWERS) if answer["name"] == "first fit")
    found[index][part] = 500 if part == "status" else found[index][part].replace("o", "0", 1)
    [shown] = mismatches(ANSWERS, found)
    assert shown.startswith(f"first fit ({part}): …")
    assert ("[-2-]{+5+}00" if part == "status" else "[-o-]{+0+}") in shown


def test_each_place_that_differs_is_shown() -> None:
    assert difference("", "new") == "…[--]{+new+}…"
    assert difference("one two three", "one three") == "…one t[-wo t-]{++}hree…"
    text = " ".join(map(str, range(100)))
    assert difference(text, text.replace("10", "x").replace("50", "y")).count("[-") == 2
    assert difference(text, text.replace("1", "x")).endswith(" more")


def test_an_answer_that_is_missing_or_new_is_shown() -> None:
    assert list(mismatches(ANSWERS, ANSWERS[1:])) == ["livez: recorded, and not answered now"]
    assert list(mismatches(ANSWERS[1:], ANSWERS)) == ["livez: answered now, and not recorded"]
    assert list(mismatches(ANSWERS, ANSWERS)) == []


def test_a_reworded_text_is_replaced_in_every_form() -> None:
    entry = {"old": 'say "ä"\nnow', "new": 'tell "ö"\nthen', "why": "a test"}
    bodies = list(forms(entry["old"], entry["new"]))
    answers = [{"name": body, "status": 200, "headers": "", "body": f"<{body}>"} for body in bodies]
    assert [each["body"] for each in with_rewording(answers, [entry])] == [
        f"<{new}>" for new in forms(entry["old"], entry["new"]).values()
    ]


def test_every_reworded_text_is_used_and_says_why() -> None:
    answers = ANSWERS
    for entry in reworded():
        assert set(entry) == {"old", "new", "why"}
        assert entry["why"].strip()
        before, answers = answers, with_rewording(answers, [entry])
        assert answers != before, f"no answer has this text: {entry['old']}"


def test_every_changed_answer_differs_and_says_why() -> None:
    recorded = {answer["name"]: answer for answer in with_rewording(ANSWERS, reworded())}
    changed = read(CHANGED)
    assert len({answer["name"] for answer in changed}) == len(changed)
    for answer in changed:
        why = answer.pop("why")
        assert why.strip()
        assert answer != recorded[answer["name"]], f"{answer['name']} has not changed"


def test_no_text_that_clients_match_is_reworded() -> None:
    for entry, text in itertools.product(reworded(), MATCHED):
        assert entry["old"] not in text, f"clients match {text!r}"
        assert entry["old"].count(text) == entry["new"].count(text), f"clients match {text!r}"
    for before, after in zip(ANSWERS, with_rewording(ANSWERS, reworded()), strict=True):
        assert [before["body"].count(text) for text in MATCHED] == [after["body"].count(text) for text in MATCHED]
