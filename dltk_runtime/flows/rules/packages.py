"""Chapter 7: what AppInspect refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from dltk_runtime import booleans
from dltk_runtime.flows import conf
from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules.rule import Found, Rule, scheduled

_INDEX_KEYS = {"homePath", "coldPath", "thawedPath", "frozenTimePeriodInSecs", "disabled", "datatype", "repFactor"}
_DEFAULT_INDEXES = {"main", "summary", "history", "_internal", "_audit", "default"}
_BUILT_IN = {"role_admin", "role_power", "role_user", "role_can_delete", "role_sc_admin", "role_splunk-system-role"}


def _ids(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza, key in (("id", "name"), ("package", "id")):
        value = app.setting("app.conf", stanza, key)
        if value != app.name:
            yield Found("default/app.conf", f"[{stanza}] {key} = {value or '(missing)'}, the folder is {app.name}")
    manifest = app.folder / "app.manifest"
    if manifest.is_file() and (name := _id_in(manifest)) != app.name:
        yield Found("app.manifest", f"info.id.name = {name or '(missing)'}, the folder is {app.name}")


def _id_in(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["info"]["id"]["name"])
    except (ValueError, LookupError, TypeError):
        return ""


def _label(app: App, _: Sequence[App]) -> Iterator[Found]:
    label = app.setting("app.conf", "ui", "label")
    if not 5 <= len(label) <= 80:
        yield Found("default/app.conf", f"[ui] label has {len(label)} characters")


def _configured(app: App, _: Sequence[App]) -> Iterator[Found]:
    if booleans.parse_conf(app.setting("app.conf", "install", "is_configured")):
        yield Found("default/app.conf", "[install] is_configured = 1")


def _updates(app: App, _: Sequence[App]) -> Iterator[Found]:
    if booleans.parse_conf(app.setting("app.conf", "package", "check_for_updates"), default=True):
        yield Found("default/app.conf", "[package] check_for_updates is not 0")


def _local(app: App, _: Sequence[App]) -> Iterator[Found]:
    for name in ("local", "metadata/local.meta"):
        if (app.folder / name).exists():
            yield Found(name, "is of one installation")


def _hidden(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path in app.files():
        if any(part.startswith(".") for part in path.relative_to(app.folder).parts):
            yield Found(str(path.relative_to(app.folder)), "is hidden")


def _executable(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path in app.files():
        if path.stat().st_mode & 0o111:
            yield Found(str(path.relative_to(app.folder)), "may be executed")


def _meta(app: App, _: Sequence[App]) -> Iterator[Found]:
    stanzas = conf.read(app.folder / "metadata" / "default.meta")
    default = next((each for each in stanzas if each.name == ""), None)
    access = default.get("access") if default else ""
    write = re.search(r"write\s*:\s*\[([^\]]*)\]", access)
    if write is None or "*" in write[1]:
        yield Found("metadata/default.meta", f"[] access = {access or '(missing)'}")
    elif "sc_admin" not in write[1]:
        yield Found(
            "metadata/default.meta", f"[] write : [{write[1]}] leaves out sc_admin, who is Cloud's administrator"
        )


def _owners(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza in conf.read(app.folder / "metadata" / "default.meta"):
        if stanza.get("owner") not in ("", "admin", "nobody"):
            yield Found(f"metadata/default.meta:{stanza.line}", f"[{stanza.name}] owner = {stanza.get('owner')}")


def _not_shipped(app: App, _: Sequence[App]) -> Iterator[Found]:
    for name in ("limits.conf", "setup.xml"):
        if (app.folder / "default" / name).exists():
            yield Found(f"default/{name}", "is refused")
    if (app.folder / "default" / "mlspl.conf").exists() and not app.setting("app.conf", "triggers", "reload.mlspl"):
        yield Found("default/mlspl.conf", "without [triggers] reload.mlspl")
    for stanza in app.conf("inputs.conf"):
        if stanza.name.startswith("http") and stanza.get("token"):
            yield Found(f"default/inputs.conf:{stanza.line}", "a HEC token")
    for stanza in app.conf("datamodels.conf"):
        if stanza.flag("acceleration"):
            yield Found(f"default/datamodels.conf:{stanza.line}", "acceleration")


def _indexes(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza in app.conf("indexes.conf"):
        where = f"default/indexes.conf:{stanza.line}"
        if stanza.name in _DEFAULT_INDEXES or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", stanza.name):
            yield Found(where, f"the index {stanza.name}")
        for key in sorted(set(stanza.settings) - _INDEX_KEYS):
            yield Found(where, f"[{stanza.name}] {key}")
        for key in ("homePath", "coldPath", "thawedPath"):
            if not stanza.get(key).startswith(f"$SPLUNK_DB/{stanza.name}/"):
                yield Found(where, f"[{stanza.name}] {key} = {stanza.get(key) or '(missing)'}")
        if stanza.get("repFactor", "auto") != "auto":
            yield Found(where, f"[{stanza.name}] repFactor = {stanza.get('repFactor')}")


def _actions(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        stanza = text.search.stanza
        if stanza.get("dispatch.earliest_time").startswith("rt"):
            yield Found(text.where, "a real-time search")
        for key in ("action.populate_lookup", "action.script.filename"):
            if stanza.get(key) not in ("", "0"):
                yield Found(text.where, key)


def _roles(app: App, _: Sequence[App]) -> Iterator[Found]:
    for stanza in app.conf("authorize.conf"):
        where = f"default/authorize.conf:{stanza.line}"
        if stanza.name != stanza.name.lower() or " " in stanza.name:
            yield Found(where, f"[{stanza.name}]")
        if stanza.flag("admin_all_objects"):
            yield Found(where, f"[{stanza.name}] admin_all_objects")
        if stanza.name in _BUILT_IN and stanza.get("importRoles"):
            yield Found(where, f"[{stanza.name}] importRoles")


def _views(app: App, _: Sequence[App]) -> Iterator[Found]:
    for path in app.views:
        name = str(path.relative_to(app.folder))
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - the user's own files
        except ET.ParseError as error:
            yield Found(name, f"is no XML: {error}")
            continue
        wanted = "1.1" if root.find("definition") is None else "2"
        if root.get("version") != wanted:
            yield Found(name, f'has no version="{wanted}"')


def _enabled(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        stanza = text.search.stanza
        if stanza.flag("enableSched", default=True) and not stanza.flag("disabled"):
            yield Found(text.where, "runs by its schedule as shipped")


def _disabled(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in scheduled(app):
        if text.search.stanza.flag("disabled"):
            yield Found(text.where, "disabled = 1")


RULES = (
    Rule(701, "[id] name and [package] id must be there and be the app's folder.", "Set both.", _ids),
    Rule(702, "[ui] label must have 5 to 80 characters.", "Give it one.", _label),
    Rule(703, "is_configured = 1 is refused.", "Set is_configured = 0.", _configured),
    Rule(
        704,
        "local/ and local.meta hold what one installation changed.",
        "Leave them out: dltk flow package does.",
        _local,
    ),
    Rule(705, "A hidden file stops all other checks of AppInspect.", "Remove it.", _hidden),
    Rule(706, "Execute bits are refused.", "chmod a-x.", _executable),
    Rule(
        707,
        "Everybody may write the app, or nobody has said who may.",
        "Write [] access = read : [ … ], write : [ admin, sc_admin ] into metadata/default.meta.",
        _meta,
    ),
    Rule(708, "An app cannot carry this.", "Say it in the README: who sets it, and where.", _not_shipped),
    Rule(
        709,
        "An index that AppInspect refuses.",
        "Small letters, no default index, and only homePath, coldPath, thawedPath below $SPLUNK_DB/<name>/, "
        "frozenTimePeriodInSecs, disabled, datatype, repFactor = auto.",
        _indexes,
    ),
    Rule(
        710,
        "A scheduled search that AppInspect refuses.",
        "Schedule it without; use outputlookup or collect.",
        _actions,
    ),
    Rule(711, "A role that AppInspect refuses.", "Own roles, in small letters, without these rights.", _roles),
    Rule(712, "An app that asks for updates looks itself up on Splunkbase.", "Set check_for_updates = 0.", _updates),
    Rule(
        713,
        "A dashboard that AppInspect refuses.",
        'Write version="1.1" into the first element, version="2" into that of a Studio dashboard.',
        _views,
    ),
    Rule(714, "A search that runs before its owner, index and model exist.", "Ship enableSched = 0.", _enabled),
    Rule(
        715,
        "An owner who does not exist at the customer's is an orphan, whose searches never run.",
        "Leave owner out; whoever installs the app sets it (dltk flow install --owner).",
        _owners,
    ),
    Rule(
        716,
        "Splunk runs a disabled search neither by hand nor for a backfill.",
        "Ship enableSched = 0 without disabled: whoever installs the app switches the schedules on.",
        _disabled,
    ),
)
