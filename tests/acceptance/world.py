"""A Splunk for the acceptance app: the pipeline of ``dltk search``, with the app's own files.

What it answers to each claim is **ours**: nobody has seen it in a Splunk. `lies` are names of claims about
which it does the opposite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.acceptance.app import write
from dltk_runtime.acceptance.claims.claim import APP, MODEL, Claim, Flavour, Preparation
from dltk_runtime.acceptance.claims.search_head import CONTINUOUS, DURABLE
from dltk_runtime.acceptance.claims.table import PREPARATIONS
from dltk_runtime.emulator.arguments import Word, parse_arguments
from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.kept import KeptModel
from dltk_runtime.emulator.mltk.request import LIMITS
from dltk_runtime.emulator.mltk.results import Result, has_errors
from dltk_runtime.emulator.mltk.stub import Stub
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Command, Context, Definition, Step
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.spl.rows import frame_of, rows_of
from dltk_runtime.emulator.spl.values import multi
from dltk_runtime.emulator.standin import IndexedEvent, Row, Storage, Window
from dltk_runtime.flows.app import App
from dltk_runtime.settings import ClientSettings
from dltk_runtime.splunk.events import SOURCETYPE

ENTRIES = {"error": "entry_after_error", "staged": "entry_after_stage", "registered": "entry_after_register"}
RIGHTS = {
    "right_to_store": "upload_lookup_files",
    "right_to_read_the_token": "list_storage_passwords",
    "right_to_fit": "fit_mltkcontainer",
}
AUDITED = {
    "audit_saved_search": "savedsearch_name",
    "audit_app": "app",
    "audit_dashboard": "provenance",
    "audit_user_and_text": "user",
    "audit_search_id": "search_id",
}


@dataclass(frozen=True, slots=True)
class ToolkitSide(Mltk):
    """MLTK's commands, which may lie."""

    lies: frozenset[str] = frozenset()

    def fit(self, frame: pd.DataFrame, fit: FitCommand) -> Result:
        result = Mltk.fit(self, frame, fit)
        for model, claim in ENTRIES.items():
            if claim in self.lies and fit.model == f"{MODEL}{model}":
                self.stubs.path(fit.model).unlink()
        if "rows_after_failed_fit" in self.lies and has_errors(result.messages):
            return Result(frame.iloc[:0], result.messages)
        if "prefix_of_fit" in self.lies:
            return Result(result.frame.rename(columns={"predicted_half": "half"}), result.messages)
        return result

    def apply(self, frame: pd.DataFrame, apply: ApplyCommand, stub: Stub | KeptModel) -> Result:
        if "shipped_entry" in self.lies and apply.model == f"{MODEL}shipped":
            raise SearchError("may not be compatible with this version of MLTK")
        result = Mltk.apply(self, frame, apply, stub)
        made = result.frame
        if "rows_after_failed_apply" in self.lies and has_errors(result.messages):
            made = made.iloc[:0]
        if "null_drops_columns" in self.lies and "other" in frame:
            made = frame
        if "identifiers_change" in self.lies and "code" in made:
            made = made.assign(code="007")
        if "column_replaced" in self.lies and "predicted_y" in made:
            made = made.assign(predicted_y="old")
        renamed = {
            "other_columns_keep_names": {"half": "predicted_half"},
            "prefix_of_apply": {"predicted_half": "half"},
            "none_of_apply": {"predicted_None": "predicted_double"},
        }
        for claim in self.lies & renamed.keys():
            made = made.rename(columns=renamed[claim])
        return Result(made, result.messages)

    def listmodels(self) -> Result:
        result = Mltk.listmodels(self)
        return Result(result.frame.assign(type="Model"), ()) if "listed" in self.lies else result

    def summary(self, stub: Stub | KeptModel) -> Result:
        result = Mltk.summary(self, stub)
        return Result(result.frame.drop(columns="api_url_external")) if "summary_columns" in self.lies else result

    def deletemodel(self, name: str) -> Result:
        return Result(pd.DataFrame()) if "entry_removed" in self.lies else Mltk.deletemodel(self, name)


def _params(meta: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = meta["options"].setdefault("params", {})
    return found


def _unquoted(_: str, meta: dict[str, Any], __: pd.DataFrame) -> None:
    meta["options"]["params"] = {key: value.strip('"') for key, value in _params(meta).items()}


def _unexpanded(_: str, meta: dict[str, Any], __: pd.DataFrame) -> None:
    meta["feature_variables"] = meta["options"].get("feature_variables", [])


def _more_params(path: str, meta: dict[str, Any], _: pd.DataFrame) -> None:
    if path == "/apply":
        meta["options"]["params"] = {"algo": APP} | _params(meta)


def _less_params(path: str, meta: dict[str, Any], _: pd.DataFrame) -> None:
    if path == "/apply":
        meta["options"]["params"] = {"act": "facts"}


# What another Splunk would send, by claim.
CHANGES: dict[str, Callable[[str, dict[str, Any], pd.DataFrame], None]] = {
    "no_search_id": lambda _, meta, __: meta.update(search_info={"sid": "1700000000.1"}),
    "no_target_on_apply": lambda _, meta, __: meta.update(target_variables=["y"]),
    "quotes_kept": _unquoted,
    "limits_are_text": lambda _, meta, __: meta["options"].update(mlspl_limits={"max_fit_time": 600}),
    "globs": _unexpanded,
    "params_replaced": _more_params,
    "params_kept": _less_params,
    "time_is_a_number": lambda _, __, frame: frame.__setitem__("_time", "2026-01-31T00:00:00+00:00"),
    "empty_column_left_out": lambda _, __, frame: frame.__setitem__("x2", float("nan")),
}


def told(lies: Iterable[str]) -> Callable[[str, dict[str, Any], pd.DataFrame], pd.DataFrame]:
    """What a Splunk that lies about its requests sends instead."""
    lies = frozenset(lies)

    def change(path: str, meta: dict[str, Any], frame: pd.DataFrame) -> pd.DataFrame:
        for claim in lies & CHANGES.keys():
            CHANGES[claim](path, meta, frame)
        return frame

    return change


class Rest:
    """``| rest``: the endpoints that the app reads."""

    def __init__(self, stubs: Stubs, flavour: Flavour, lies: frozenset[str], app: App) -> None:
        self.stubs, self.flavour, self.lies, self.app = stubs, flavour, lies, app

    def __call__(self, arguments: str, _: Context) -> Step:
        words = [each.text for each in parse_arguments(arguments) if isinstance(each, Word)]
        path = next(word for word in words if word.startswith("/"))
        return lambda _: Result(frame_of(self._rows(path), ()))

    def _rows(self, path: str) -> list[dict[str, Any]]:
        client = path.rpartition("conf-")[2]
        match path.rpartition("/")[2]:
            case "lookup-table-files":
                return [{"title": self.stubs.path(name).name} for name in self.stubs.names()]
            case "current-context":
                denied = {RIGHTS[claim] for claim in self.lies & RIGHTS.keys()}
                user = "admin" if "search_of_nobody" in self.lies else "nobody"
                return [{"username": user, "capabilities": multi(sorted({"search", *RIGHTS.values()} - denied))}]
            case "info":
                return [{"server_roles": multi(["search_head", "shc_member"])}]
            case "conf-app":
                mode = "merge_to_default" if "deployer_merge" in self.lies else "full"
                return [{"title": "shclustering", "deployer_push_mode": mode}]
            case "searches":
                known = set() if "durable_searches" in self.lies else {DURABLE, CONTINUOUS}
                if "durable_continuous" in self.lies:
                    known.discard(CONTINUOUS)
                return [
                    {"title": each.name, **{name: each.stanza.get(name) for name in known if each.stanza.get(name)}}
                    for each in self.app.searches
                ]
            case "conf-mlspl":
                seconds = "1200" if "limits" in self.lies else "600"
                return [{"title": "default", "max_fit_time": seconds, "max_inputs": "100000"}]
            case "local":
                sharing = "app" if "toolkit_shared" in self.lies else "global"
                return [{"title": "Splunk_ML_Toolkit", "eai:acl.sharing": sharing}]
            case "conf-containers" | "conf-dsdl_container":
                own = (client == "containers") == (self.flavour is Flavour.DSDL)
                there = own and "stanzas_over_rest" not in self.lies
                return [{"title": "__dev__", **({"api_url": "https://dltk.example.com:5000"} if there else {})}]
        raise SearchInvalid(f"no endpoint {path}")


def commands(rest: Rest, lies: frozenset[str]) -> dict[str, Command]:
    """The commands, some of which may lie."""
    changed = {
        "collect_fields": ("collect", lambda frame: frame.drop(columns="word", errors="ignore")),
        "collect_raw": ("collect", lambda frame: frame.drop(columns="_raw", errors="ignore")),
        "collect_time": ("collect", lambda frame: frame.drop(columns="info_min_time", errors="ignore")),
        "record_replaced": ("outputlookup", lambda frame: frame.assign(b="2") if "a" in frame else frame),
        "lookup_local": ("lookup", lambda frame: frame.drop(columns="k", errors="ignore")),
    }
    made = {**COMMANDS, "rest": Command(rest, generates=True), "outputlookup": _inserting("insert_only" not in lies)}
    for claim in lies & changed.keys():
        name, change = changed[claim]
        made[name] = _changed(made[name], change)
    if "run_record" in lies:
        made["addinfo"] = replace(made["addinfo"], prepare=lambda *_: Result)
    return made


def _inserting(keeps: bool) -> Command:
    """``outputlookup`` that knows ``allow_updates=f``; where it does not `keep` records, it replaces them."""
    command = COMMANDS["outputlookup"]

    def prepare(arguments: str, context: Context) -> Step:
        plain = arguments.replace("allow_updates=f ", "")
        step = command.prepare(plain, context)
        if plain == arguments or not keeps:
            return step
        records = context.storage.kvstore[context.definitions[plain.split()[-1]].collection]
        known = {str(each["_key"]) for each in records.query()}
        return lambda frame: step(frame[~frame["_key"].isin(known)])

    return replace(command, prepare=prepare)


def _changed(command: Command, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Command:
    def prepare(arguments: str, context: Context) -> Step:
        step = command.prepare(arguments, context)
        return lambda frame: step(change(frame))

    return replace(command, prepare=prepare)


class World:
    """One Splunk with the app installed, calling the container at `client`."""

    def __init__(self, folder: Path, flavour: Flavour, client: ClientSettings, lies: Iterable[str] = ()) -> None:
        self.lies = frozenset(lies)
        self.app = App(write(folder / "out", flavour)[0])
        stubs = Stubs(self.app.folder / "lookups")
        self.storage = Storage()
        self.storage.indexes.create("summary", "event")
        self._audit()
        self._usage()
        for stanza in self.app.conf("collections.conf"):
            types = {key.removeprefix("field."): kind for key, kind in stanza.settings.items() if key[:6] == "field."}
            self.storage.kvstore.create(stanza.name, types)
        self.context = Context(
            mltk=ToolkitSide(client, stubs, self._limits(), lies=self.lies),
            lookups=LookupFolders(stubs.folder, ()),
            storage=self.storage,
            definitions=dict(self._definitions()),
            macros=self.app.macros,
        )
        if "digest" in self.lies:
            known = self.context.functions
            self.context = replace(self.context, functions={**known, "sha256": known["lower"]})
        self.commands = commands(Rest(stubs, flavour, self.lies, self.app), self.lies)

    def run_search(self, search: str, window: Window, now: float) -> Iterable[Row]:
        """Run a search as the stand-in asks for it; a CSV lookup is known by its definition's name too."""
        text = search.replace(f"inputlookup {APP}_claims ", f"inputlookup {APP}_claims.csv ")
        world = replace(self.context, window=window, clock=lambda: now)
        rows = rows_of(run(text, world, self.commands).frame)
        if "collect_sourcetype" in self.lies:
            self._other_sourcetype()
        return rows

    def result(self, claim: Claim) -> str:
        """Run the preparations that a claim needs, and the claim; its result."""
        for each in needed(claim):
            self._saved(each)
        return self._judged(claim)

    def results(self, claims: Iterable[Claim]) -> dict[str, str]:
        """Run all preparations once, and the claims after them; their results by name."""
        for each in PREPARATIONS:
            self._saved(each)
        return {each.name: self._judged(each) for each in claims}

    def _judged(self, claim: Claim) -> str:
        try:
            self._saved(claim)
        except SearchError:
            return "fail" if claim.refuted_by_error else "error"
        rows = self.run_search(f'| inputlookup {APP}_results where _key="{claim.name}"', Window(), time.time())
        return str(next(iter(rows))["result"])

    def _saved(self, each: Claim | Preparation) -> None:
        (text,) = [one.text for one in self.app.searches if one.name == each.saved]
        self.run_search(text, Window(), time.time())

    def _definitions(self) -> Iterable[tuple[str, Definition]]:
        for stanza in self.app.conf("transforms.conf"):
            if stanza.get("collection"):
                fields = tuple(name.strip() for name in stanza.get("fields_list").split(","))
                yield stanza.name, Definition(stanza.get("collection"), fields)

    def _limits(self) -> dict[str, str]:
        return {**LIMITS, "max_inputs": "200000"} if "max_inputs" in self.lies else dict(LIMITS)

    def _usage(self) -> None:
        """The licence's records of usage, and events of the runtime's own."""
        self.storage.indexes.create("_internal", "event")
        self.storage.indexes.create("dltk", "event")
        now = time.time()
        free = {SOURCETYPE} if "licence_of_events" in self.lies else set()
        counted = {"web", SOURCETYPE, *(["stash"] if "licence_of_stash" in self.lies else [])} - free
        for kind in sorted(counted):
            fields = {"type": "Usage", "st": kind, "idx": "dltk", "b": "900"}
            self.storage.indexes["_internal"].add(
                IndexedEvent(now - 60, now, fields, source="/var/log/license_usage.log")
            )
        self.storage.indexes["dltk"].add(IndexedEvent(now - 90, now, {"kind": "job"}, sourcetype=SOURCETYPE))

    def _audit(self) -> None:
        self.storage.indexes.create("_audit", "event")
        missing = {AUDITED[claim] for claim in self.lies & AUDITED.keys()}
        fields = {"action": "search", "info": "granted", "savedsearch_name": "score", "app": "web", "user": "svc"}
        fields |= {"search": "search index=web", "provenance": "UI:Dashboard:overview"}
        fields |= {"search_id": f"'{time.time() - 61:.0f}.12'"}
        there = {name: value for name, value in fields.items() if name not in missing}
        self.storage.indexes["_audit"].add(IndexedEvent(time.time() - 60, time.time(), there))

    def _other_sourcetype(self) -> None:
        index = self.storage.indexes["summary"]
        index._events[:] = [replace(event, sourcetype="other") for event in index._events]


def needed(claim: Claim) -> list[Preparation]:
    """The preparations of the models, events and records that a claim's search names."""

    def names(text: str) -> set[str]:
        words = {f"{MODEL}{model}" for model in ("plain", "target", "kept", "error", "staged", "registered", "gone")}
        return {word for word in (*words, f"{APP}_index", f"{APP}_records") if word in text}

    return [each for each in PREPARATIONS if names(each.search) & names(claim.search)]
