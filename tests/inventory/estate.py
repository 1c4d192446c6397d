"""A Splunk with what depends on a container: apps, dashboards, schedules, entries of models, and an audit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.stub import HEADER, MODULES, Stub
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.standin import IndexedEvent, Storage
from dltk_runtime.settings import ClientSettings
from tests.splunkd import Splunkd
from tests.splunkd.answers import Rights
from tests.splunkd.objects import SAVED, App
from tests.splunkd.spl import pipeline

VIEWS, MACROS, PANELS = "data/ui/views", "configs/conf-macros", "data/ui/panels"
DAILY = {"enableSched": "1", "cron_schedule": "0 3 * * *"}

CLASSIC = """<dashboard version="1.1"><row><panel>
  <search id="base"><query>index=web | fields host bytes</query></search>
  <table><search base="base"><query>apply app:risk | table host predicted_risk</query></search></table>
  <chart><search ref="score web"/></chart>
  <html><img src="https://dltk.example.com:5000/graphics/shap.png"/></html>
</panel></row></dashboard>"""
STUDIO = """<dashboard version="2"><definition><![CDATA[{"dataSources": {
  "a": {"type": "ds.search", "options": {"query": "| summary risk | table api_url_external"}},
  "b": {"type": "ds.chain", "options": {"extend": "a", "query": "stats count"}}}}]]></definition></dashboard>"""


def make(folder: Path, certificate: tuple[Path, Path]) -> Splunkd:
    """Fill a stand-in; nothing runs yet."""
    storage, stubs = Storage(), Stubs(folder)
    context = Context(Mltk(ClientSettings(), stubs), LookupFolders(folder, ()))
    splunkd = Splunkd(pipeline(context, storage), storage, app="web", certificate=certificate)
    splunkd.apps["ops"] = App("ops")
    splunkd.users += ["svc"]
    for model, algorithm, kind in (("risk", "pytorch_nn", "MLTKContainer"), ("dga", "dga", "MLTKContainer")):
        entry(splunkd, stubs, model, algorithm, kind)
    entry(splunkd, stubs, "forest", "", "RandomForestClassifier")
    fill(splunkd)
    storage.indexes.create("_audit", "event")
    for number, fields in enumerate(audited()):
        storage.indexes["_audit"].add(IndexedEvent(time.time() - 60 * number, time.time(), fields, "an audit event"))
    return splunkd


def entry(splunkd: Splunkd, stubs: Stubs, model: str, algorithm: str, kind: str) -> None:
    """An entry of a container's model, or of one that the toolkit fits itself."""
    if kind in MODULES:
        stubs.write(Stub(model, kind, {"params": {"algo": algorithm}}, ("x",), "y"))
    else:
        own = {"__mlspl_type": ["algos.Own", kind]}
        text = pd.DataFrame([[kind, json.dumps(own), "{}"]], columns=HEADER).to_csv(index=False)
        stubs.folder.mkdir(exist_ok=True)
        stubs.path(model).write_text(text)
    splunkd.storage.lookups.load(stubs.path(model).name, "algo,model,options\n")


def save(splunkd: Splunkd, app: str, name: str, search: str, owner: str = "svc", **settings: str) -> None:
    put(splunkd, app, SAVED, name, {"search": search} | settings, owner)


def put(splunkd: Splunkd, app: str, folder: str, name: str, settings: dict[str, str], owner: str = "svc") -> None:
    splunkd.apps[app].objects(folder)[name] = settings
    home = "configs/conf-savedsearches" if folder == SAVED else folder
    splunkd.apps[app].rights[home, name] = Rights(owner, "app")


def fill(splunkd: Splunkd) -> None:
    """The knowledge objects."""
    put(splunkd, "web", MACROS, "web_score(1)", {"args": "model", "definition": "`web_fill` | apply app:$model$"})
    put(splunkd, "web", MACROS, "web_fill", {"definition": "fillnull value=0 bytes"})
    put(splunkd, "web", MACROS, "old_score", {"definition": "apply risk"})
    save(splunkd, "web", "score web", 'index=web | `web_score("risk")` | collect index=scores', **DAILY)
    save(splunkd, "web", "train web", "index=web | fit MLTKContainer algo=pytorch_nn y from x into app:risk", **DAILY)
    save(splunkd, "web", "forgotten", "index=web | appendpipe [ apply dga ]", **DAILY)
    save(splunkd, "web", "lost", "index=web | apply gone", **DAILY)
    save(splunkd, "web", "orphan", "index=web | apply dga", owner="who left", **DAILY)
    save(splunkd, "web", "by hand", '| map search="search index=web | fit MLTKContainer algo=\\"dga\\" x into dga"')
    save(splunkd, "web", "toolkit's own", "index=web | apply forest", **DAILY)
    save(splunkd, "web", "quoted", 'index=web "| apply risk" ```| fit MLTKContainer x``` | stats count', **DAILY)
    save(splunkd, "ops", "again", '| savedsearch "score web"', **DAILY)
    save(splunkd, "ops", "hidden", "index=ops | `not_ours`", **DAILY)
    put(splunkd, "web", VIEWS, "risk_overview", {"eai:data": CLASSIC})
    put(splunkd, "ops", VIEWS, "studio", {"eai:data": STUDIO})
    put(splunkd, "ops", VIEWS, "torn", {"eai:data": "<dashboard><query>| apply risk</dashboard>"})


def audited() -> Iterator[dict[str, str]]:
    """What `_audit` holds of the last days: ours, nobody has seen its form."""
    for name, app in (("score web", "web"), ("score web", "web"), ("train web", "web"), ("again", "ops")):
        yield {"action": "search", "info": "granted", "savedsearch_name": name, "app": app, "provenance": "scheduler"}
    for _ in range(3):
        yield {"action": "search", "info": "granted", "app": "web", "provenance": "UI:Dashboard:risk_overview"}
    yield {"action": "search", "info": "completed", "savedsearch_name": "forgotten", "app": "web"}
