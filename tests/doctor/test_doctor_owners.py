"""``dltk doctor`` on the owners of scheduled searches: each needs what the AI Toolkit and the commands ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.doctor import owners as doctor_owners
from dltk_runtime.doctor.finding import Finding, Severity
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import create
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.transport import Tls
from dltk_runtime.store.store import ModelName, ModelStore
from tests.doctor.findings import found, only
from tests.doctor.standin import Standin
from tests.flows.helpers import flow_of
from tests.store.helpers import commit

FIT = "index=main | fit MLTKContainer algo=pytorch_nn y from x* into app:web"
RUNNER = [
    *("search", "schedule_search", "run_custom_command", "run_collect", "run_mcollect", "input_file", "output_file"),
    *("list_storage_passwords", "fit_mltkcontainer", "apply_mltkcontainer", "upload_lookup_files"),
]
APP = {"app": "web", "sharing": "app"}


class Head:
    """A search head whose user `svc` has the role `runner`."""

    def __init__(self, standin: Standin, settings: Settings) -> None:
        self._standin, self._settings = standin, settings
        self._searches: list[dict[str, Any]] = []
        self.macros()
        self.roles(user=["search"], runner=RUNNER)
        self.user("svc", "runner")

    def save(self, name: str, search: str, owner: str = "svc", **changed: Any) -> None:
        entry = {"name": name, "search": search, "is_scheduled": True, "disabled": False, "acl": {"owner": owner} | APP}
        self._searches.append(entry | changed)

    def macros(self, **definitions: str) -> None:
        entries = [{"name": name, "definition": text, "acl": APP} for name, text in definitions.items()]
        self._standin.entry("/servicesNS/-/-/configs/conf-macros", *entries)

    def roles(self, inherited: tuple[str, ...] = (), **capabilities: list[str]) -> None:
        entries = [
            {"name": name, "capabilities": own, "imported_capabilities": list(inherited)}
            for name, own in capabilities.items()
        ]
        self._standin.entry("/services/authorization/roles", *entries)

    def user(self, name: str, *roles: str) -> None:
        self._standin.entry(f"/services/authentication/users/{name}", {"name": name, "roles": list(roles)})

    def findings(self) -> Iterator[Finding]:
        self._standin.entry("/servicesNS/-/-/saved/searches", *[dict(each) for each in self._searches])
        settings = self._settings
        rest = Rest(f"https://127.0.0.1:{self._standin.port}", "jwt", Tls(cafile=settings.splunk_cafile))
        return doctor_owners.owners(rest, settings)


@pytest.fixture
def head(tmp_path: Path, paths: Paths) -> Iterator[Head]:
    standin = Standin(tmp_path / "splunk")
    yield Head(standin, Settings(splunk_cafile=standin.cert, home=paths.home, notebooks=paths.notebooks))
    standin.close()


def test_an_owner_who_has_everything(head: Head) -> None:
    head.save("train", FIT)
    head.save("score", "index=main | apply web | collect index=scores")
    finding = only(head.findings())
    assert (finding.severity, "of svc: score, train" in finding.text) == (Severity.OK, True)


def test_what_an_owner_lacks_is_named_with_the_searches_that_need_it(head: Head) -> None:
    lacking = ("apply_mltkcontainer", "run_collect")
    head.roles(runner=[name for name in RUNNER if name not in lacking], other=list(lacking))
    head.save("train", FIT)
    head.save("score", "index=main | apply app:web | collect index=scores")
    finding = only(head.findings())
    assert finding.severity is Severity.ERROR
    assert finding.text == "searches of svc lack apply_mltkcontainer, run_collect: score"
    assert "dltk_<flow>_runner" in finding.advice


def test_what_a_role_inherits_counts(head: Head) -> None:
    head.roles(inherited=tuple(RUNNER), runner=[])
    head.save("train", FIT)
    assert only(head.findings()).severity is Severity.OK


def test_searches_of_nobody_and_of_users_who_are_gone(head: Head) -> None:
    head.save("shipped", FIT, owner="nobody")
    head.save("orphan", FIT, owner="who left")
    gone, nobody = sorted(head.findings(), key=lambda each: each.text, reverse=True)
    assert (nobody.severity, gone.severity) == (Severity.WARNING, Severity.ERROR)
    assert "of nobody: shipped" in nobody.text
    assert "of who left: orphan: Splunk has no user of that name" in gone.text


def test_a_model_is_the_containers_also_when_the_search_that_fits_it_has_no_schedule(head: Head) -> None:
    head.save("train", FIT, owner="nobody", is_scheduled=False)
    head.save("score", "index=main | apply web", owner="nobody")
    assert "of nobody: score:" in only(head.findings()).text


def test_two_searches_of_one_name_need_what_both_need(head: Head) -> None:
    head.roles(runner=[name for name in RUNNER if name != "run_collect"])
    head.save("train", f"{FIT} | collect index=main")
    head.save("train", FIT)
    assert only(head.findings()).text == "searches of svc lack run_collect: train"


@pytest.mark.parametrize(
    ("search", "changed"),
    [
        (FIT, {"is_scheduled": "0"}),
        (FIT, {"disabled": "1"}),
        ("index=main | fit RandomForestClassifier y from x into app:forest", {}),
        ("index=main | apply forest", {}),
        ('index=main "| fit MLTKContainer" | stats count', {}),
        ("index=main ```| fit MLTKContainer algo=a x``` | stats count", {}),
    ],
)
def test_other_searches_do_not_count(head: Head, search: str, changed: dict[str, Any]) -> None:
    head.save("other", search, owner="nobody", **changed)
    assert only(head.findings()).severity is Severity.SKIPPED


@pytest.mark.parametrize(
    "search",
    [
        "index=main | fit AITKContainer algo=a x",
        "index=main | eval y=1 | appendpipe [ | fit MLTKContainer algo=a x into app:m | stats count ]",
        "| makeresults | apply app:dltk_status | where kind=1",
        "index=main | apply stored",
    ],
)
def test_what_calls_the_container(head: Head, paths: Paths, search: str) -> None:
    """The last one applies a model that is in this runtime's store; Splunk does not say whose it is."""
    commit(ModelStore.open(paths, keep=5), ModelName("algo", "stored"))
    head.save("calls", search, owner="nobody")
    assert "of nobody: calls" in only(head.findings()).text


def test_an_ai_toolkit_that_does_not_ask_for_capabilities_of_its_own(head: Head) -> None:
    """No role has them where the release does not know them."""
    head.roles(runner=[name for name in RUNNER if not name.endswith("_mltkcontainer")])
    head.save("train", FIT)
    assert only(head.findings()).severity is Severity.OK


@pytest.mark.parametrize("kind", ["direct", "summary", "feedback"])
def test_the_role_that_a_flow_ships_is_enough_for_its_searches(head: Head, tmp_path: Path, kind: str) -> None:
    """Its real searches and macros; each capability that is taken away is missed by one of them."""
    create(flow_of(kind), tmp_path / "flow")
    app = next(each for each in find_apps(tmp_path / "flow") if each.conf("savedsearches.conf"))
    head.macros(**{stanza.name: stanza.get("definition") for stanza in app.conf("macros.conf")})
    for stanza in app.conf("savedsearches.conf"):
        head.save(stanza.name, stanza.get("search"), is_scheduled=bool(stanza.get("cron_schedule")))
    (role,) = (each for each in app.conf("authorize.conf") if each.name.endswith("_runner"))
    given = [name for name in RUNNER if role.flag(name)]
    head.roles(runner=given, other=RUNNER)
    assert only(head.findings()).severity is Severity.OK
    for name in (
        *("fit_mltkcontainer", "apply_mltkcontainer", "list_storage_passwords", "schedule_search"),
        "upload_lookup_files",
    ):
        head.roles(runner=[each for each in given if each != name], other=RUNNER)
        finding = only(head.findings())
        assert (finding.severity, f"lack {name}:" in finding.text) == (Severity.ERROR, True), found([finding])
