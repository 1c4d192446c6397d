"""Who hears of a flow: recipients of e-mails, risk events of Enterprise Security, and a note where nobody does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import App, find_apps
from dltk_runtime.flows.conf import Stanza
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.flow import Flow, read
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.hearing import unheard
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, standin
from tests.flows.helpers import flow_of, invoke, predicting, search_of, world_of

TOLD = ("soc@example.com", "ml.team@example.org")
KINDS: tuple[dict[str, object], ...] = (
    {"kind": "direct"},
    {"kind": "direct", "anomalies": True},
    {"kind": "summary", "labels": True},
    {"kind": "summary", "source": "metrics"},
    {"kind": "feedback"},
)


def written(flow: Flow, folder: Path) -> App:
    create(flow, folder)
    return find_apps(folder)[0]


def alerts(app: App) -> list[Stanza]:
    return [each for each in app.conf("savedsearches.conf") if each.get("counttype")]


@pytest.mark.parametrize("values", KINDS, ids=str)
def test_alerts_and_the_daily_report_go_to_the_recipients_of_the_description(
    tmp_path: Path, values: dict[str, object]
) -> None:
    app = written(flow_of(recipients=TOLD, risk_object="system", **values), tmp_path)  # type: ignore[arg-type]
    told = [each for each in app.conf("savedsearches.conf") if each.flag("action.email")]
    assert {each.get("action.email.to") for each in told} == {"soc@example.com, ml.team@example.org"}
    mailing = {each.name for each in alerts(app)} - {"dltk_x_risk"} | {"dltk_x_report"}
    assert {each.name for each in told} == mailing
    assert unheard(app) == []
    assert not list(check(find_apps(tmp_path)))


def test_recipients_are_kept_when_the_apps_are_written_again(tmp_path: Path) -> None:
    invoke("flow", "new", "direct", "x", "--defaults", "--to", str(tmp_path), "--recipients", " ".join(TOLD))
    invoke("flow", "new", "--from", str(tmp_path / "flow.yaml"), "--force", "--lag", "9")
    assert read(tmp_path / "flow.yaml").recipients == TOLD
    assert unheard(find_apps(tmp_path)[0]) == []


def test_check_says_whom_nobody_hears_and_stays_clean(tmp_path: Path) -> None:
    app = written(flow_of("direct"), tmp_path)
    assert unheard(app) == [each.name for each in alerts(app)]
    said = " ".join(invoke("flow", "check", str(tmp_path)).split())
    assert "note: nobody hears dltk_x_health, dltk_x_gaps, dltk_x_late, dltk_x_found." in said
    assert ", 0 findings." in said


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        ("action.email = 1", False),
        ("action.email = 1\naction.email.to = a@b.org", True),
        ("actions = email", False),
        ("actions = email\naction.email.cc = a@b.org", True),
        ("actions = webhook", True),
        ("action.email = 1\nactions = webhook", True),
        ("action.slack = 1", True),
        ("action.summary_index = 1\naction.summary_index._name = x", False),
        ("action.webhook = 1", True),
        ("action.risk = 0", False),
    ],
)
def test_an_action_is_heard_where_it_goes_somewhere(tmp_path: Path, settings: str, *, heard: bool) -> None:
    app = written(flow_of("direct"), tmp_path)
    path = app.folder / "default" / "savedsearches.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("counttype", f"{settings}\ncounttype"), encoding="utf-8")
    assert (unheard(find_apps(tmp_path)[0]) == []) == heard


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with standin() as state:
        state.answer = predicting
        client = ClientSettings(url=state.url, token=TOKEN)
        yield world_of(flow_of("feedback", risk_object="other"), tmp_path / "flow", client)


def test_a_risk_event_has_its_object_and_a_score_by_the_fields_of_the_prediction(world: World) -> None:
    now = BEGIN + 7200
    world.run(search_of(world, "score"), now, Window(BEGIN, BEGIN + 3600))
    risk = search_of(world, "risk")
    assert (risk.stanza.get("action.risk"), risk.stanza.get("enableSched")) == ("1", "0")
    assert '"risk_object_field": "entity", "risk_object_type": "other"' in risk.stanza.get("action.risk.param._risk")
    rows = world.run(risk, now + 1800).frame.to_dict("records")
    scores = {row["entity"]: float(row["dga_score"]) for row in world.predictions() if row["predicted_is_dga"] == "1"}
    assert rows
    assert {row["risk_object"]: float(row["risk_score"]) for row in rows} == {
        name: round(100 * score) for name, score in scores.items()
    }
    assert {row["risk_object_type"] for row in rows} == {"other"}
    assert not re.search(r"index\s*=\s*risk|sendalert", risk.text)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"recipients": ("soc",)}, "must be addresses such as soc@example.com"),
        ({"recipients": ("a@b.org\naction.script = 1",)}, "must be addresses"),
        ({"risk_object": "thing"}, "must be empty or one of system, user, other"),
    ],
)
def test_other_values_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(FlowInvalid, match=re.escape(said)):
        flow_of("direct", **values)
