"""Apps and their knowledge objects: stanzas of ``.conf`` files, dashboards, navigation; each with owner and rights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from dltk_runtime.emulator.standin import KvStore, NotEmulated
from tests.splunkd.answers import Answer, Entry, Refusal, Request, Rights, decoded, feed

# Where objects lie; `saved/searches` is another name for the stanzas of their file.
_PATH = re.compile(
    r"(?P<folder>apps/local|saved/searches|configs/conf-\w+|data/ui/(?:views|panels|nav)|data/lookup-table-files"
    r"|storage/collections/config)(?:/(?P<name>[^/]+)(?P<acl>/acl)?)?/?"
)
APPS = "apps/local"
SAVED = "saved/searches"
LOOKUPS = "data/lookup-table-files"
_SAVED = "configs/conf-savedsearches"
_COLLECTIONS = "storage/collections/config"
# What these take besides a name; a stanza takes anything.
_TAKEN: Mapping[str, set[str]] = {
    APPS: {"label", "visible", "version", "description", "author", "configured", "template"},
    "data/ui/views": {"eai:data"},
    "data/ui/nav": {"eai:data"},
}


@dataclass
class App:
    """One app: settings of its objects by folder and name, rights by folder and name, collections."""

    name: str
    kvstore: KvStore = field(default_factory=KvStore)
    folders: dict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: defaultdict(dict))
    rights: dict[tuple[str, str], Rights] = field(default_factory=dict)

    @property
    def saved(self) -> dict[str, dict[str, str]]:
        return self.folders[_SAVED]

    def objects(self, folder: str) -> dict[str, dict[str, str]]:
        """What lies in a folder: settings by name."""
        return self.folders[_home(folder)]

    def has(self, folder: str, name: str) -> bool:
        return name in (self.kvstore if folder == _COLLECTIONS else self.objects(folder))

    def rights_of(self, folder: str, name: str) -> Rights:
        return self.rights.get((_home(folder), name), Rights())

    def entry(self, folder: str, name: str) -> Entry:
        settings = self.objects(folder).get(name, {})
        if folder == SAVED:  # ours: splunkd derives it, and the spelling of its answer was not seen
            settings = settings | {"is_scheduled": settings.get("enableSched", "0")}
        return Entry(name, settings, f"{folder}/{name}", self.name, self.rights_of(folder, name))


def _home(folder: str) -> str:
    return _SAVED if folder == SAVED else folder


def of_rights(request: Request) -> bool:
    """Whether it asks for an object's rights, whatever the object is."""
    found = _PATH.fullmatch(request.path)
    return bool(found and found["acl"])


def everywhere(request: Request, apps: Iterable[App]) -> Answer | None:
    """What splunkd lists of all apps for the namespace ``-``; None for another request."""
    found = _PATH.fullmatch(request.path)
    if request.method != "GET" or request.app != "-" or not found or found["name"] or found["folder"] == LOOKUPS:
        return None
    folder = found["folder"]
    return feed(request, [app.entry(folder, name) for app in apps for name in app.objects(folder)])


def answer(request: Request, app: App) -> Answer:
    """What splunkd says of an object of the app."""
    found = _PATH.fullmatch(request.path)
    if found is None:
        raise NotEmulated(f"{request.method} {request.path}")
    folder, name = found["folder"], decoded(found["name"] or "")
    if found["acl"]:
        return _acl(request, app, folder, name)
    if not name:
        return _folder(request, app, folder)
    if not app.has(folder, name):
        raise Refusal(404, f"Could not find object id={name}")
    match request.method:
        case "GET":
            return feed(request, [app.entry(folder, name)])
        case "POST":
            app.objects(folder)[name] |= _settings(request, folder)
            return feed(request, [app.entry(folder, name)])
        case "DELETE":
            del app.objects(folder)[name]
            return feed(request, [])
    raise NotEmulated(f"{request.method} {request.path}")


def _folder(request: Request, app: App, folder: str) -> Answer:
    if request.method == "GET":
        return feed(request, [app.entry(folder, name) for name in app.objects(folder)])
    name = request.params.get("name", "")
    if not name:
        raise Refusal(400, "The following required arguments are missing: name.")
    if app.has(folder, name):
        raise Refusal(409, f"Unable to create object with name '{name}'. An object with name={name} already exists")
    app.objects(folder)[name] = _settings(request, folder)
    return feed(request, [app.entry(folder, name)], 201)


def _settings(request: Request, folder: str) -> dict[str, str]:
    given = {key: value for key, value in request.params.items() if key not in ("name", "output_mode")}
    for key in given.keys() - _TAKEN.get(folder, given.keys()):
        raise Refusal(400, f'Argument "{key}" is not supported by this handler.')
    if "eai:data" in given:
        try:
            ET.fromstring(given["eai:data"])
        except ET.ParseError as error:
            raise Refusal(400, f"Invalid XML: {error}") from error
    return given


def _acl(request: Request, app: App, folder: str, name: str) -> Answer:
    """Owner and sharing go together; rights can be given to what is shared alone, and are replaced as a whole."""
    if not app.has(folder, name):
        raise Refusal(404, f"Could not find object id={name}")
    if request.method == "POST":
        given = request.params
        if missing := [key for key in ("owner", "sharing") if not given.get(key)]:
            raise Refusal(400, f"The following required arguments are missing: {', '.join(missing)}.")
        perms = {kind: given[key].split(",") for kind in ("read", "write") if (key := f"perms.{kind}") in given}
        if perms and given["sharing"] == "user":
            raise Refusal(400, "Cannot set permissions of a private object.")
        new = Rights(given["owner"], given["sharing"], perms or app.rights_of(folder, name).perms)
        app.rights[_home(folder), name] = new
    return feed(request, [app.entry(folder, name)])
