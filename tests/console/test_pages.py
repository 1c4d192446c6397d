"""The console's pages over HTTP: who may see and change what, and that text from outside stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.errors import DltkError
from tests.conftest import write_notebook
from tests.console.browser import ADMIN, Browser
from tests.console.hostile import HOSTILE
from tests.support.service import Service, until

pytestmark = pytest.mark.process

DATA = "a,b\n1,2\n3,4\n"
PRINTING = {
    "fit": """
        def fit(model, df, param):
            for text in param["options"]["params"].get("say", ""), *HOSTILE:
                print(text)
            return {"rows": len(df)}
    """,
    "import": f"""
        import json
        import pandas as pd
        MODEL_DIRECTORY = "/srv/app/model/data/"
        HOSTILE = {HOSTILE!r}
    """,
    "apply": "def apply(model, df, param): return df",
}
NAMED = (
    ("promoters", (Right.READ, Right.PROMOTE), ("*",)),
    ("readers", (Right.READ,), ("*",)),
    ("some", (Right.READ,), ("loud",)),
)
FAILING = {"fit": "def fit(model, df, param):\n    total = 1\n    raise ValueError('<b>bad</b> row')"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("console")
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks", "healthy")
    write_notebook(folder / "notebooks", "printing", **PRINTING)
    write_notebook(folder / "notebooks", "failing", **FAILING)
    variables = {
        "DLTK_ADMIN_TOKEN": ADMIN,
        "DLTK_TOKENS_FILE": str(folder / "tokens.json"),
        "DLTK_PROXY_ADDRESSES": "127.0.0.2",
        "DLTK_PROXY_RIGHTS": "read,promote",
    }
    for name, rights, models in NAMED:
        entry = TokenEntry(name=name, values=[], rights=list(rights), models=models)
        (folder / name).write_text(file.add(folder / "tokens.json", entry))
    with Service(folder / "home", folder / "notebooks", **variables) as service:
        for rows in (DATA, DATA + "5,6\n"):
            assert service.fit("healthy", rows, "m")["status"] == "success"
        service.fit("printing", DATA, "loud", say=HOSTILE[0])
        service.fit("failing", DATA, "broken")
        yield service


@pytest.fixture
def browser(service: Service) -> Browser:
    signed_in = Browser(service)
    assert signed_in.sign_in() == 303
    return signed_in


PAGES = (
    "/ui",
    "/ui/jobs",
    "/ui/models",
    "/ui/models/healthy/m",
    "/ui/models/healthy/m/versions/2/card",
    "/ui/drift",
    "/ui/history",
    "/ui/algorithms",
    "/ui/algorithms/healthy",
)


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_leads_to_the_form(service: Service, path: str) -> None:
    status, headers, text = Browser(service).ask("GET", path)
    assert (status, headers["Location"]) == (303, f"/ui/sign-in?to={path}")
    assert "healthy" not in text


def test_a_browser_at_the_address_is_led_on_and_other_clients_get_what_they_got(service: Service) -> None:
    status, headers, _ = Browser(service).ask("GET", "/")
    assert (status, headers["Location"]) == (303, "/ui")
    for accept in ("*/*", "application/json", ""):
        status, headers, _ = Browser(service).ask("GET", "/", headers={"Accept": accept})
        assert (status, headers["Content-Type"]) == (401, "application/json")
    assert service.summary()["token"] == "valid"
    assert '"token' in service.send("/", None).decode()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_strict_about_what_it_loads(browser: Browser, path: str) -> None:
    status, headers, text = browser.ask("GET", path)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all(each.startswith(("/ui", "data:,")) for each in loaded), loaded
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", text)


def test_what_pages_load_is_there_and_may_be_kept(browser: Browser) -> None:
    text = browser.get("/ui/jobs/" + newest(browser))
    for path in set(re.findall(r'"(/ui/files/[^"]+)"', text)):
        status, headers, _ = browser.ask("GET", path)
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
    assert browser.ask("GET", "/ui/files/0000000000000000/htmx.js")[0] == 404


def newest(browser: Browser, state: str = "succeeded") -> str:
    found = re.search(r'href="/ui/jobs/([\w.%-]+)"', browser.get(f"/ui/jobs?state={state}"))
    assert found
    return found[1]


def test_a_wrong_token_signs_nobody_in_and_five_slow_down(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_ADMIN_TOKEN=ADMIN) as service:
        visitor = Browser(service)
        assert [visitor.ask("HEAD", "/ui/sign-in")[0] for _ in range(6)] == [200] * 6  # who watches brings no token
        assert visitor.sign_in(service.token) == 401  # that of Splunk, where another exists
        assert [visitor.sign_in("wrong") for _ in range(5)] == [401] * 4 + [429]
        assert visitor.sign_in(ADMIN) == 429
        assert visitor.cookie == ""


def test_the_cookie_is_kept_from_scripts_and_other_sites(service: Service) -> None:
    _, headers, _ = Browser(service).ask("POST", "/ui/sign-in", {"token": ADMIN})
    attributes = {each.strip().lower() for each in headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= attributes


@pytest.mark.parametrize("to", ["//example.org", "https://example.org", "/ui//example.org", "/\\example.org"])
def test_a_sign_in_leads_to_no_other_site(service: Service, to: str) -> None:
    status, headers, _ = Browser(service).ask("POST", f"/ui/sign-in?to={quote(to)}", {"token": ADMIN})
    assert (status, headers["Location"]) == (303, "/ui")


def test_a_promotion_in_the_page_changes_the_next_apply(service: Service, browser: Browser) -> None:
    assert service.apply("healthy", "a,b\n1,2\n", "m")["results"] == "rows\n3\n"
    path = "/ui/models/healthy/m"
    status, headers, _ = browser.ask("POST", f"{path}/promote/1", {"form": browser.form(path)})
    assert (status, headers["Location"]) == (303, path)
    assert service.apply("healthy", "a,b\n1,2\n", "m")["results"] == "rows\n2\n"
    browser.ask("POST", f"{path}/promote/2", {"form": browser.form(path)})
    assert service.apply("healthy", "a,b\n1,2\n", "m")["results"] == "rows\n3\n"


@pytest.mark.parametrize("fields", [{}, {"form": ""}, {"form": "0" * 64}])
def test_a_change_without_the_sessions_own_form_is_refused(browser: Browser, fields: dict[str, str]) -> None:
    status, _, text = browser.ask("POST", "/ui/models/healthy/m/promote/1", fields)
    assert status == 403
    assert "This form is not of your session" in text


def test_an_unknown_model_job_or_algorithm_is_said(browser: Browser) -> None:
    for path in ("/ui/models/healthy/none", "/ui/jobs/20260101T000000.000000Z-00000000", "/ui/algorithms/none"):
        status, _, text = browser.ask("GET", path)
        assert status == 404
        assert 'role="alert"' in text


def test_a_failed_fit_shows_its_cell_with_the_line_marked(browser: Browser) -> None:
    text = browser.get("/ui/jobs/" + newest(browser, "failed"))
    assert re.search(r'class="marked">\s+3  +raise ValueError\(', text), text
    assert "&lt;b&gt;bad&lt;/b&gt; row" in text
    assert "<b>bad</b>" not in text


def test_what_a_notebook_prints_stays_text(service: Service, browser: Browser) -> None:
    loud = re.search(
        r'href="/ui/jobs/([\w.%-]+)"[^>]*>[^<]*</a></td>\s*<td[^>]*><a [^>]*>printing', browser.get("/ui/jobs")
    )
    assert loud
    parts = Parts()
    parts.feed(browser.get("/ui/jobs/" + loud[1]))
    assert "<script>alert(1)</script>" in parts.text
    assert "?[31mred?[0m" in parts.text
    assert "?gnp.exe" in parts.text
    assert parts.tags & {"iframe", "img"} == set()
    assert not [each for each in parts.attributes if each.startswith("on")]


class Parts(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_model_page_leads_to_cards_that_can_be_kept_and_are_text(browser: Browser) -> None:
    page = "/ui/models/healthy/m/versions/2/card"
    assert page in browser.get("/ui/models/healthy/m")
    text = browser.get(page)
    assert '<th scope="row">state</th><td class="text">current</td>' in text
    for name, kind in (("md", "text/markdown; charset=utf-8"), ("json", "application/json")):
        assert f'href="{page}.{name}"' in text
        status, headers, _ = browser.ask("GET", f"{page}.{name}")
        assert (status, headers["Content-Type"]) == (200, kind)
        assert headers["Content-Disposition"] == f'attachment; filename="model-card-2.{name}"'
    hostile = browser.get("/ui/models/printing/loud/versions/1/card")
    assert "<script>alert" not in hostile
    assert "&lt;script&gt;alert(1)" in hostile or "&amp;lt;script" in hostile
    assert browser.ask("GET", "/ui/models/healthy/m/versions/9/card")[0] == 404


def test_a_finished_jobs_stream_ends_with_its_last_state(browser: Browser) -> None:
    status, headers, text = browser.ask("GET", f"/ui/jobs/{newest(browser)}/live")
    assert (status, headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert "succeeded" in text
    assert text.endswith("event: done\ndata: done\n\n")


def test_signing_out_ends_the_session(service: Service) -> None:
    visitor = Browser(service)
    visitor.sign_in()
    cookie = visitor.cookie
    assert visitor.ask("POST", "/ui/sign-out", {"form": visitor.form()})[0] == 303
    visitor.cookie = cookie
    assert visitor.ask("GET", "/ui")[0] == 303


def test_the_token_of_splunk_reads_alone_where_there_is_no_other(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "healthy")
    with Service(tmp_path / "home", tmp_path / "notebooks") as service:
        for _ in range(2):
            service.fit("healthy", DATA, "m")
        visitor = Browser(service)
        assert "openssl rand -hex 32" in visitor.get("/ui/sign-in")
        assert visitor.sign_in(service.token) == 303
        text = visitor.get("/ui/models/healthy/m")
        assert "Make version" not in text
        form = {"form": visitor.form()}
        status, _, said = visitor.ask("POST", "/ui/models/healthy/m/promote/1", form)
        assert (status, "may read alone" in said) == (403, True)
        assert service.apply("healthy", "a,b\n1,2\n", "m")["status"] == "success"
        until(lambda: visitor.get("/ui"))


def ui(service: Service, *options: str, path: str = "") -> Result:
    return CliRunner().invoke(dltk, ["ui", "--url", service.url + path, *options])


@pytest.mark.parametrize("browser", [True, False])
def test_the_command_opens_it_where_there_is_a_browser(
    service: Service, browser: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or browser)
    done = ui(service)
    assert (done.exit_code, done.stdout, opened) == (0, f"{service.url}/ui\n", [f"{service.url}/ui"])
    assert ("There is no browser on this machine" in done.stderr) is not browser
    assert (ui(service, "--no-browser").exit_code, len(opened)) == (0, 1)
    for path in ("/", "/ui", "/ui/"):
        assert ui(service, "--no-browser", path=path).stdout == f"{service.url}/ui\n", path
    assert CliRunner().invoke(dltk, ["ui", "--url", "http://127.0.0.1:1"]).exit_code == Exit.UNREACHABLE


def test_a_switch_turns_it_off(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_CONSOLE="false") as service:
        visitor = Browser(service)
        assert visitor.ask("GET", "/ui")[0] == 404
        assert visitor.ask("GET", "/")[0] == 401
        refused = ui(service).exception
        assert isinstance(refused, DltkError)
        assert "DLTK_CONSOLE=false turns it off" in refused.sentence


def test_a_form_that_is_larger_than_any_of_ours_signs_nobody_in(service: Service) -> None:
    assert Browser(service).ask("POST", "/ui/sign-in", {"token": ADMIN, "more": "x" * 10_000})[0] == 401


def named(service: Service, name: str) -> Browser:
    """Somebody who is signed in with a named token."""
    visitor = Browser(service)
    assert visitor.sign_in((service.home.parent / name).read_text(), "Anna <A.>") == 303
    return visitor


def test_a_promotion_with_a_named_token_is_in_the_history_with_name_and_reason(service: Service) -> None:
    visitor, path = named(service, "promoters"), "/ui/models/healthy/m"
    assert re.search(r'name="reason" required', visitor.get(path))
    for number, reason in (("1", "<i>fewer</i> alarms"), ("2", "")):
        fields = {"form": visitor.form(path), "reason": reason}
        assert visitor.ask("POST", f"{path}/promote/{number}", fields)[0] == 303
    assert "/rollback" in visitor.get(path)
    assert visitor.ask("POST", f"{path}/rollback", {"form": visitor.form(path), "reason": "worse"})[0] == 303
    assert "/rollback" not in visitor.get(path)  # there is no version before the first
    assert visitor.ask("POST", f"{path}/promote/2", {"form": visitor.form(path), "reason": "back"})[0] == 303
    for page in (path, "/ui/history"):
        text = " ".join(visitor.get(page).split())
        assert "&lt;i&gt;fewer&lt;/i&gt; alarms" in text
        assert "<i>" not in text
        row = r'<td>rolled back</td> ?<td>1</td> ?<td>promoters</td> ?<td>Anna &lt;A.&gt;</td> ?<td class="text">worse<'
        assert re.search(row, text), text
        assert re.search(r"<td>fitted</td> ?<td>2</td> ?<td>api_token</td>", text), text


def test_code_is_chosen_in_the_page_for_a_reason_and_by_who_may_promote(service: Service) -> None:
    visitor, path = named(service, "promoters"), "/ui/models/healthy/m"
    for choice, said in (("pinned", "it was pinned"), ("live", "it was chosen so"), ("auto", "DLTK_VERSION_CODE")):
        fields = {"form": visitor.form(path), "reason": f"try {choice}", "choice": choice}
        assert visitor.ask("POST", f"{path}/code", fields)[0] == 303
        text = " ".join(visitor.get(path).split())
        assert said in text
        assert re.search(rf'<td>promoters</td> ?<td>Anna &lt;A.&gt;</td> ?<td class="text">try {choice}</td>', text)
    reader = named(service, "readers")
    assert f"{path}/code" not in reader.get(path)
    for who, fields, status in (
        (reader, {"form": reader.form(), "choice": "live"}, 403),
        (visitor, {"form": reader.form(), "choice": "live"}, 403),
        (visitor, {"form": visitor.form(path), "choice": "other"}, 404),
    ):
        assert who.ask("POST", f"{path}/code", fields)[0] == status


def test_a_model_is_deleted_once_its_name_confirms_it_and_a_warning_says_what_is_current(
    service: Service, browser: Browser
) -> None:
    for _ in range(3):
        service.fit("healthy", DATA, "doomed")
    service.apply("healthy", DATA, "doomed")
    path = "/ui/models/healthy/doomed"
    assert "Version 3 is current: searches apply it" in browser.get(f"{path}/delete")
    # A call is noted once its answer is on its way.
    until(lambda: "4 of the last calls that this replica knows were of this model" in browser.get(f"{path}/delete"))
    fields = {"form": browser.form(path), "reason": "<b>old</b>", "confirm": "doomed", "version": "all"}
    for missing, status in (("form", 403), ("reason", 400), ("confirm", 400)):
        assert browser.ask("POST", f"{path}/delete", fields | {missing: ""})[0] == status
    refused = {each: browser.ask("POST", f"{path}/delete", fields | {"version": each})[0] for each in ("3", "2", "")}
    assert refused == {"3": 409, "2": 409, "": 404}
    assert browser.ask("POST", f"{path}/delete", fields | {"version": "1"})[0] == 303
    assert "Compare version 1" not in browser.get(path)
    promoter = named(service, "promoters")
    assert "This session may not delete" in promoter.get(f"{path}/delete")
    assert promoter.ask("POST", f"{path}/delete", fields | {"form": promoter.form()})[0] == 403
    status, headers, _ = browser.ask("POST", f"{path}/delete", fields)
    assert (status, headers["Location"]) == (303, "/ui/models")
    assert browser.ask("GET", path)[0] == 404
    assert service.apply("healthy", DATA, "doomed")["status"] == "error"
    text = browser.get("/ui/history")
    assert text.count("&lt;b&gt;old&lt;/b&gt;") == 2
    assert "<b>" not in text


def test_a_token_without_the_right_sees_and_changes_nothing(service: Service) -> None:
    visitor, path = named(service, "readers"), "/ui/models/healthy/m"
    assert "Make version" not in visitor.get(path)
    status, _, said = visitor.ask("POST", f"{path}/promote/1", {"form": visitor.form(), "reason": "x"})
    assert (status, "may read alone" in said) == (403, True)
    cancel = f"/ui/jobs/{newest(visitor)}/cancel"
    promoter = named(service, "promoters")
    status, _, said = promoter.ask("POST", cancel, {"form": promoter.form()})
    assert (status, "lacks the right" in said) == (403, True)


def test_a_token_for_some_models_sees_no_others(service: Service) -> None:
    visitor = named(service, "some")
    for page in ("/ui", "/ui/jobs", "/ui/models", "/ui/history"):
        text = visitor.get(page)
        assert "healthy" not in text, page
        assert "loud" in text, page
    for page in ("/ui/models/healthy/m", "/ui/models/healthy/m/delete"):
        assert visitor.ask("GET", page)[0] == 403
    assert visitor.ask("GET", f"/ui/jobs/{newest_of(service, 'healthy')}")[0] == 403


def newest_of(service: Service, algorithm: str) -> str:
    return str([job["id"] for job in service.jobs() if job["algorithm"] == algorithm][-1])


def test_who_a_trusted_proxy_signed_in_needs_no_token_and_others_may_not_say_so(service: Service) -> None:
    header = {"X-Forwarded-User": "anna"}
    path, proxied, other = "/ui/models/healthy/m", Browser(service, "127.0.0.2"), Browser(service)
    status, _, text = proxied.ask("GET", path, headers=header)
    assert (status, "proxy (anna)" in text, "Sign out" in text) == (200, True, False)
    for visitor, given in ((other, header), (proxied, {}), (proxied, {"X-Forwarded-User": " "})):
        assert visitor.ask("GET", path, headers=given)[0] == 303
    found = re.search(r'name="form" value="([0-9a-f]+)"', text)
    assert found
    fields = {"form": found[1], "reason": "by proxy"}
    assert proxied.ask("POST", f"{path}/promote/1", fields, {"X-Forwarded-User": "bob"})[0] == 403
    assert proxied.ask("POST", f"{path}/promote/1", fields, header)[0] == 303
    fields["reason"] = "back"
    assert proxied.ask("POST", f"{path}/promote/2", fields, header)[0] == 303
    text = " ".join(proxied.ask("GET", "/ui/history", headers=header)[2].split())
    assert re.search(r"<td>proxy</td> ?<td>anna</td> ?<td class=\"text\">by proxy</td>", text), text
