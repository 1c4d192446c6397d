"""No command passes on what moves a terminal's cursor, sets its title or reverses its text.

Every command is run over stored data, answers and notebooks full of escapes; and no command prints
in any other way than through `commands._terminal`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import dltk_runtime.batch.each
import dltk_runtime.flows.rehearsal.run
import dltk_runtime.flows.rules
from dltk_runtime import cli
from dltk_runtime.client.jobs import JobsClient
from dltk_runtime.commands import _terminal, doctor
from dltk_runtime.doctor.finding import Finding, Severity
from dltk_runtime.errors import DltkError
from dltk_runtime.flows.labels import Labels
from dltk_runtime.jobs.record import JobError
from dltk_runtime.jobs.view import JobView
from dltk_runtime.paths import Paths
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.store.manifest import Facts
from dltk_runtime.store.store import ModelStore
from dltk_runtime.tables.feature import Feature
from dltk_runtime.texts import printable
from tests.conftest import MakeNotebook
from tests.store.helpers import commit

# A title, a clipboard, a cleared screen, a C1 sequence, a carriage return, backspaces, reversed text, a hyperlink.
HOSTILE = (
    "\x1b]0;owned\x07\x1b]52;c;bHM=\x07\x1b[2J\x9b31mred\rover\b\b\u202egnp.exe\u2066\u2028\x00[link=http://x]y[/link]"
)
PRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
OWN_COLOURS = re.compile("\x1b\\[[0-9;]*m")  # of `doctor`'s marks and of rich's tables


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    monkeypatch.setenv("DLTK_HOME", str(paths.home))
    monkeypatch.setenv("DLTK_NOTEBOOKS", str(paths.notebooks))
    monkeypatch.setenv("DLTK_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("DLTK_TOKEN", "x")


def said(*arguments: str) -> str:
    """Return what a command prints on both streams; nothing in it may reach a terminal."""
    result = CliRunner().invoke(cli.dltk, list(arguments), color=True)
    assert isinstance(result.exception, SystemExit | DltkError | None), (
        result.exception
    )  # `cli.main` prints a DltkError
    assert PRINTED.findall(OWN_COLOURS.sub("", result.output)) == []
    return result.output


def view() -> JobView:
    now = datetime.now(UTC)
    return JobView(
        id=HOSTILE,
        algorithm=HOSTILE,
        model=HOSTILE,
        state="running",
        place=0,
        created=now,
        started=now,
        ended=now,
        rows=1,
        parameters={HOSTILE: HOSTILE},
        phase=HOSTILE,
        phases={HOSTILE: 1.0},
        step=1,
        total=2,
        metrics={HOSTILE: 1.0},
        version=1,
        promoted=True,
        message=HOSTILE,
        error=JobError(HOSTILE, HOSTILE, HOSTILE),
    )


@pytest.mark.parametrize("arguments", [(), ("list",), ("show", "j", "--log"), ("watch", "j"), ("cancel", "j")])
def test_jobs(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    given: dict[str, Callable[..., Any]] = {
        "list": lambda self: [view()],
        "get": lambda self, job: view(),
        "log": lambda self, job: HOSTILE,
        "metrics": lambda self, job: [{"step": 1, HOSTILE: 0.5}],
        "cancel": lambda self, job: view(),
        "watch": lambda self, job: iter([view()]),
    }
    for name, function in given.items():
        monkeypatch.setattr(JobsClient, name, function)
    monkeypatch.setattr("dltk_runtime.commands.jobs.signal.signal", lambda *_: None)
    assert "red" in said("jobs", *arguments) or arguments[:1] == ("cancel",)


def test_models(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLTK_URL", raising=False)  # the folder, not a container
    store = ModelStore.open(paths, keep=2)
    facts = Facts(
        rows=1,
        train={HOSTILE: 1.0},
        features=[Feature(HOSTILE, HOSTILE)],
        targets=[HOSTILE],
        parameters={HOSTILE: HOSTILE},
        notices=[HOSTILE],
    )
    version = commit(store, facts=facts)
    store.promote(version)
    assert "red" in said("models", "show", "umap", "default")
    (version.folder / "version.json").write_text(HOSTILE)
    said("models")
    said("models", "show", "umap", "default")


def test_notebooks(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook(
        "hostile",
        f"""
        # %% [markdown]
        # {HOSTILE!r}
        # %% tags=parameters
        rate: float = 1.0  # {HOSTILE!r}
        # %% mltkc_fit
        def fit(model, df, param): return {HOSTILE!r}
        """.replace(repr(HOSTILE), HOSTILE.replace("\r", "").replace("\x00", "")),
    )
    for arguments in (
        ("algos",),
        ("algos", "show", "hostile"),
        ("algos", "--markdown"),
        ("check",),
        ("check", "hostile"),
    ):
        said(*arguments)


def test_search(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lookups = tmp_path / "lookups"
    lookups.mkdir()
    columns = ",".join(f"{HOSTILE}{number}" for number in range(40))
    (lookups / "rows.csv").write_text(f"{columns}\n" + ",".join(["1"] * 40) + "\n")
    said("search", "--lookups", str(lookups), "| inputlookup rows.csv")
    said("search", f'| makeresults | eval x="{HOSTILE}" | table x')
    for wrong in (
        f"| {HOSTILE}",
        f"| makeresults | eval {HOSTILE}",
        f"| inputlookup {HOSTILE}.csv",
        f"| apply {HOSTILE}",
    ):
        said("search", wrong)
    shown: list[str] = []
    monkeypatch.setattr(_terminal.click, "echo", lambda text, **_: shown.append(text))
    for terminal, passed in ((True, printable(HOSTILE)), (False, HOSTILE)):
        monkeypatch.setattr(_terminal.sys, "stdout", SimpleNamespace(isatty=lambda terminal=terminal: terminal))
        _terminal.echo_data(HOSTILE)
        assert shown.pop() == passed  # a file has the data as they are


def test_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = SimpleNamespace(job=HOSTILE, message=HOSTILE, executed=HOSTILE, rows=1)
    results = [(SimpleNamespace(out=HOSTILE), outcome), (SimpleNamespace(out=""), DltkError(HOSTILE))]
    monkeypatch.setattr(dltk_runtime.batch.each, "run_all", lambda *_: results)
    assert said("batch", "mean", "--data", "x.csv").count("red") == 5


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding(HOSTILE, Severity.ERROR, HOSTILE, HOSTILE)
    monkeypatch.setattr(doctor.examine, "examine", lambda *_, **__: [finding])
    assert said("doctor").count("red") == 3
    said("doctor", "--json")


def test_label(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(("_key", "uncertainty", "why", "entity"), HOSTILE)
    monkeypatch.setattr(Connection, "from_env", lambda *_: None)
    monkeypatch.setattr(Labels, "__init__", lambda *_: None)
    monkeypatch.setattr(Labels, "queue", lambda self: [row])
    assert said("label", "queue", "dga").count("red") == 4


def test_flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = SimpleNamespace(where=HOSTILE, what=HOSTILE)
    violation = SimpleNamespace(app=HOSTILE, found=found, rule=SimpleNamespace(number=1, text=HOSTILE, fix=HOSTILE))
    monkeypatch.setattr("dltk_runtime.flows.app.find_apps", lambda _: [SimpleNamespace(name=HOSTILE, searches=[])])
    monkeypatch.setattr(dltk_runtime.flows.rules, "check", lambda _: [violation])
    assert said("flow", "check", str(tmp_path)).count("red") == 6

    def rehearsed(self: object, progress: Callable[[str], None], finish: object) -> list[str]:
        progress(HOSTILE)
        return [HOSTILE]

    monkeypatch.setattr(dltk_runtime.flows.rehearsal.run.Rehearsal, "run", rehearsed)
    assert said("flow", "test", str(tmp_path)).count("red") == 2


def test_the_error_that_ends_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(**_: object) -> None:
        raise DltkError(HOSTILE)

    monkeypatch.setattr(cli, "dltk", fails)
    with pytest.raises(SystemExit):
        cli.main()
    assert PRINTED.findall(capsys.readouterr().err) == []


@given(st.text(st.characters(exclude_categories=[]) | st.sampled_from(HOSTILE), max_size=60))
def test_a_printable_text_has_nothing_that_a_terminal_acts_on(text: str) -> None:
    made = printable(text)
    assert PRINTED.findall(made) == []
    assert printable(made) == made
    made.encode()


def test_scripts_and_emoji_stay_as_they_are() -> None:
    for text in ("naïve 説明 ניסיון", "👩‍🔬 ✈️", "a\tb\nc", "می‌خواهم"):
        assert printable(text) == text


def test_nothing_prints_but_through_the_one_place() -> None:
    """Own bytes alone go around it: the cursor that `jobs watch` shows again when it is left."""
    folder = Path(cli.__file__).parent
    allowed = {"commands/_terminal.py", "splunk/progress.py"}
    found = []
    for path in sorted(folder.rglob("*.py")):
        name = str(path.relative_to(folder))
        if name in allowed or not name.startswith(("commands/", "cli.py", "flows/", "doctor/", "client/", "emulator/")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in (
                "print",
                "click.echo",
                "click.secho",
                "Console",
                "rich.print",
                "sys.stdout.write",
                "sys.stderr.write",
            ):
                found.append(f"{name}: {called}")
    assert found == []
