"""The way over as the page *Move from DSDL* tells it: twelve models, from the inventory to the last stanza, and back.

The old container is `tests.oldserver`, Splunk's client is `tests.aitk`'s reading of the toolkit's code, and what the
inventory reads is the stand-in's. Answers are compared by a client with a connection beside.
"""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from click.testing import CliRunner

from dltk_runtime import tls
from dltk_runtime.cli import dltk
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.standin import IndexedEvent, Storage
from dltk_runtime.settings import ClientSettings, Settings
from dltk_runtime.volume.examine import used_in
from tests.aitk.toolkit import Toolkit
from tests.conftest import write_notebook
from tests.inventory.estate import DAILY, save
from tests.oldserver import OldContainer
from tests.splunkd import Splunkd
from tests.splunkd.spl import pipeline
from tests.support.service import ROOT, Service, meta_for, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

DAYS = 7
ROWS = pd.DataFrame({"a": range(20), "b": [number % 7 for number in range(20)]})
DATA = ROWS.to_csv(index=False)
DOUBLED = "def apply(model, df, param): return pd.DataFrame({'doubled': df['a'] * 2.0, 'b': df['b']})"
RAISES = "def apply(model, df, param): raise ValueError('it never worked')"
COUNTING = """
    def fit(model, df, param):
        with open("/srv/fits", "a+") as file:
            file.write("x")
            model["noise"] = 0.1 * file.tell()
        return {}
"""
NOISY = "def apply(model, df, param): return pd.DataFrame({'x': df['a'] + model['noise'], 'b': df['b']})"
SAVED = """
    def save(model, name):
        with open(MODEL_DIRECTORY + name + ".json", "w") as file:
            json.dump({"format": FORMAT, "model": model}, file)
        return model
"""
LOADED = """
    def load(name):
        with open(MODEL_DIRECTORY + name + ".json") as file:
            stored = json.load(file)
        if stored["format"] != FORMAT:
            raise ValueError(f"a file of format {stored['format']}, and this code reads {FORMAT}")
        return stored["model"]
"""
# Each algorithm in the old container, and in ours where its libraries or code differ.
OLD = {"same": {"apply": DOUBLED}, "close": {"apply": DOUBLED}, "noisy": {"fit": COUNTING, "apply": NOISY}}
OLD |= {"library": {"apply": DOUBLED}, "other": {"apply": DOUBLED}, "broken": {"apply": RAISES}}
OLD |= {"stored": {"save": SAVED.replace("FORMAT", "1"), "load": LOADED.replace("FORMAT", "1"), "apply": DOUBLED}}
OURS = {"close": {"apply": DOUBLED.replace("* 2.0", "* (2 + 1e-9)")}}
OURS |= {"noisy": {"fit": COUNTING.replace("0.1 *", "0.05 + 0.1 *")}, "other": {"apply": DOUBLED.replace("2.0", "3.0")}}
OURS |= {"library": {"import": "import no_such_library_here\nimport pandas as pd"}}
OURS |= {"stored": {"save": SAVED.replace("FORMAT", "2"), "load": LOADED.replace("FORMAT", "2")}}
MODELS = dict.fromkeys(("web", "dns", "mail", "auth", "vpn", "idle"), "same")
MODELS |= {"near": "close", "loud": "noisy", "needs": "library", "far": "other", "never": "broken", "proxy": "stored"}
VERDICTS = {"same": "equal", "close": "within 1e-6", "noisy": "noisy"}
VERDICTS |= {"library": "ours fails", "other": "differs", "broken": "old fails", "stored": "ours fails"}
MOVABLE = {"same", "close", "noisy", "stored"}  # the last one after a fit here
MOVING = [name for name, algorithm in MODELS.items() if algorithm in MOVABLE and name != "idle"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(dltk, list(arguments))
    assert result.exit_code == code, result.output + str(result.exception)
    return result.stdout


@dataclass
class Head:
    """The search head: the toolkit with its files, and what the inventory reads."""

    toolkit: Toolkit
    stanzas: dict[str, str] = field(default_factory=dict)  # address by model

    def point(self, **addresses: str | None) -> None:
        """Give models a stanza as ``dltk splunk stanza`` prints it, or take it away."""
        self.stanzas = {name: url for name, url in (self.stanzas | addresses).items() if url}
        texts = [
            run("splunk", "stanza", "--flavour", "aitk", "--model", name, "--url", url)
            for name, url in self.stanzas.items()
        ]
        (self.toolkit.app / "local" / "dsdl_container.conf").write_text("".join(texts))

    def apply(self, model: str) -> pd.DataFrame:
        found = self.toolkit.apply(ROWS, model, "found")
        severity, text = self.toolkit.messages[-1]
        assert severity == "INFO", text
        return found

    def fit(self, model: str) -> None:
        """Fit; as in a search, an error of the container is a message, and the entry is there."""
        self.toolkit.fit(ROWS, ["a", "b"], model=model, algo=MODELS[model])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("move")


@pytest.fixture(scope="module")
def old(root: Path) -> Iterator[OldContainer]:
    container = OldContainer(root / "old")
    for name, cells in OLD.items():
        container.module(name, **cells)
    with container:
        yield container


@pytest.fixture(scope="module")
def head(root: Path, old: OldContainer) -> Head:
    """A search head that has fitted every model in the old container."""
    app = root / "Splunk_ML_Toolkit"
    (app / "local").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "splunk" / "container_connections.conf", app / "local")
    made = Head(Toolkit(app, {"session": old.token}, "session"))
    made.point(__dev__=old.url)
    for model in MODELS:
        made.fit(model)
    return made


@pytest.fixture(scope="module")
def new(root: Path, old: OldContainer, head: Head) -> Iterator[Service]:
    """The new container on a copy of the old volume, with the same token, in the shadow."""
    shutil.copytree(old.home, root / "new")
    for name, cells in OLD.items():
        write_notebook(root / "new" / "notebooks", name, **(cells | OURS.get(name, {})))
    variables = {"DLTK_SHADOW": old.url, "DLTK_SHADOW_REPEAT": "true"}
    service = Service(root / "new", root / "new" / "notebooks", **variables)
    service.token = old.token
    with service:
        yield service


@pytest.fixture(scope="module")
def inventory(root: Path, head: Head) -> Path:
    """What ``dltk inventory --csv`` says of a Splunk where every model but one ran lately."""
    storage, stubs = Storage(), Stubs(head.toolkit.app / "lookups")
    storage.indexes.create("_audit", "event")
    context = Context(Mltk(ClientSettings(), stubs), LookupFolders(stubs.folder, ()))
    pair = tls.certificate(Settings(home=root / "tls"))
    fields = {"action": "search", "info": "granted", "app": "web", "provenance": "scheduler"}
    with Splunkd(pipeline(context, storage), storage, app="web", certificate=pair) as splunkd:
        splunkd.users.append("svc")
        for model in MODELS:
            save(splunkd, "web", f"score {model}", f"index=web | apply {model}", **DAILY)
            storage.lookups.load(stubs.path(model).name, "algo,model,options\n")
            if model != "idle":
                event = IndexedEvent(time.time() - 60, time.time(), fields | {"savedsearch_name": f"score {model}"})
                storage.indexes["_audit"].add(event)
        variables = {"splunk_access_token": splunkd.token, "DLTK_SPLUNK_CAFILE": str(pair[0])}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            text = run("inventory", "--splunk", f"https://127.0.0.1:{splunkd.port}", "--csv")
    (root / "inventory.csv").write_text(text)
    return root / "inventory.csv"


@dataclass(frozen=True)
class Beside:
    """A client that sends each request twice, on connections of its own: through the new container, and to the old."""

    new: Service
    old: OldContainer

    def same(self, path: str, model: str = "") -> None:
        """Compare status, content type and body of a request, for `model` if it is a fit or an apply."""
        body = json.dumps({"data": DATA, "meta": meta_for(DATA, model, {"algo": MODELS[model]})}) if model else None
        assert self._ask(self.new.url, path, body) == self._ask(self.old.url, path, body), (path, model)

    def _ask(self, url: str, path: str, body: str | None) -> tuple[int, str | None, bytes]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)
        headers = {"Authorization": self.old.token, "Content-Type": "application/json", "Connection": "close"}
        connection.request("POST" if body else "GET", path, body, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.getheader("Content-Type"), answer.read()


def test_the_story(root: Path, old: OldContainer, head: Head, inventory: Path, new: Service) -> None:
    # 1. The inventory: eleven models are in use, each with the algorithm of its entry.
    assert used_in(inventory) == {(algorithm, model) for model, algorithm in MODELS.items() if model != "idle"}

    # 4. The old models on the copy: one needs a library, one another fit; the one that never worked loads.
    checked = run("migrate", "check", str(root / "new"), "--in-use", str(inventory), "--json", code=1)
    lines = {line["model"]: line for line in json.loads(checked)["models"]}
    verdicts = dict.fromkeys(MODELS, "loads") | {"needs": "a library is missing", "proxy": "refit"}
    assert {model: line["verdict"] for model, line in lines.items() if model} == verdicts
    assert "no_such_library_here" in lines["needs"]["why"]
    assert "a file of format 1, and this code reads 2" in lines["proxy"]["why"]

    # 5. The shadow: Splunk calls the new container, and has the old one's answers to the byte.
    head.point(__dev__=new.url)
    head.fit("loud")
    week(head, Beside(new, old))
    report = until(lambda: settled(new), 240)
    found = {each["model"]: each["verdict"] for each in report["models"]}
    assert found == {model: VERDICTS[algorithm] for model, algorithm in MODELS.items() if model != "idle"}

    # The model that needs a fit gets it through the shadow, and is equal from then on.
    fitted = datetime.now(UTC).isoformat()
    head.fit("proxy")
    head.apply("proxy")
    later = until(lambda: settled(new, "--since", fitted), 240)
    assert {each["model"]: each["verdict"] for each in later["models"]} == {"proxy": "equal"}

    # 6. Out of the shadow, and stanza by stanza.
    before = {model: head.apply(model) for model in MOVING}
    new._variables.pop("DLTK_SHADOW")
    new.restart()
    head.point(__dev__=old.url)
    for model in MOVING:
        head.point(**{model: new.url})
        pd.testing.assert_frame_equal(head.apply(model), before[model], atol=0.5 if model == "loud" else 1e-6)
    assert {head.toolkit.address(model).api_url for model in MOVING} == {new.url}
    assert {head.toolkit.address(model).api_url for model in MODELS.keys() - set(MOVING)} == {old.url}

    # The way back of one, which was fitted here meanwhile.
    head.fit("web")
    since = run("migrate", "since", "2026-01-31", "--home", str(root / "new"))
    assert "web" in since
    head.point(web=None)
    assert head.toolkit.address("web").api_url == old.url
    pd.testing.assert_frame_equal(head.apply("web"), before["web"])

    head.point(web=new.url)
    without(old, head)


def without(old: OldContainer, head: Head) -> None:
    """7. Stop the old container: the moved models answer, and the others do not."""
    old.stop()
    for model in MOVING:
        head.apply(model)
    with pytest.raises(OSError, match="refused"):
        head.apply("far")


def week(head: Head, beside: Beside) -> None:
    """Let each model but the idle one run on one day, and compare every kind of answer beside."""
    (beside.old.home / "app" / "graphics" / "risk.png").write_bytes(b"\x89PNG of the old one")
    for day in range(DAYS):
        for model in [each for number, each in enumerate(MODELS) if number % DAYS == day and each != "idle"]:
            if model in {"web", "near", "far", "needs", "never"}:  # one of each algorithm that is not noisy
                beside.same("/fit", model)
            beside.same("/apply", model)
            beside.same("/summary")
            beside.same("/graphics/risk.png")
            if model != "never":
                head.apply(model)


def settled(service: Service, *options: str) -> dict[str, Any] | None:
    """The report, once all that waits is compared."""
    text = run("shadow", "report", *options, "--json", "--url", service.url, "--token", service.token)
    report: dict[str, Any] = json.loads(text)
    return report if report["waiting"] == 0 else None
