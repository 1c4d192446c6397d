"""Create an app's knowledge objects over Splunk's REST API, without a package.

Splunk writes objects created over REST into the app's ``local``, where users change them too. So
an upgrade keeps existing macros, and of a search its schedule and whether it is enabled. Indexes,
collections and labels are never removed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from splunklib.binding import UrlEncoded

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.flows import conf
from dltk_runtime.flows.app import App
from dltk_runtime.flows.spl import makes_status
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import NotThere

CONF_FILES = ("macros", "transforms", "savedsearches", "authorize")
COLLECTIONS = "storage/collections/config"
# Endpoints by kind in metadata/default.meta; all other kinds are names of .conf files.
_ENDPOINTS = {"collections": COLLECTIONS, "views": "data/ui/views", "nav": "data/ui/nav"}
# Settings of a search that users change; an upgrade keeps them.
KEPT_SETTINGS = ("disabled", "enableSched", "cron_schedule")


@dataclass(frozen=True, slots=True)
class KnowledgeObject:
    """One knowledge object: the endpoint that creates it, its name and settings.

    An upgrade does not change an existing object with `keep_existing`; `Installer.remove` does not
    remove one with `keep_on_removal`.
    """

    endpoint: str
    name: str
    settings: Mapping[str, str]
    keep_existing: bool = False
    keep_on_removal: bool = False

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.name}"


def knowledge_objects(app: App) -> Iterator[KnowledgeObject]:
    """Yield the objects of an app, each after those that it needs."""
    for stanza in app.conf("collections.conf"):
        yield KnowledgeObject(COLLECTIONS, stanza.name, stanza.settings, keep_on_removal=True)
    for name in CONF_FILES:
        for stanza in app.conf(f"{name}.conf"):
            yield KnowledgeObject(f"configs/conf-{name}", stanza.name, stanza.settings, keep_existing=name == "macros")
    for path in app.views:
        yield KnowledgeObject("data/ui/views", path.stem, {"eai:data": path.read_text(encoding="utf-8")})
    navigation = app.folder / "default" / "data" / "ui" / "nav" / "default.xml"
    if navigation.is_file():
        yield KnowledgeObject(
            "data/ui/nav", "default", {"eai:data": navigation.read_text(encoding="utf-8")}, keep_on_removal=True
        )


@dataclass(frozen=True, slots=True)
class Installer:
    """Create, update and remove the objects of `app`.

    `run` runs a search in the app; `report` receives one line for each object.
    """

    connection: Connection
    app: App
    run: Callable[[str], object]
    report: Callable[[str], None]

    def install(self, owner: str) -> None:
        """Create or update every object; `owner`, an existing user, will own the searches.

        Raises:
            SplunkError: Splunk refused a request. The objects before it are kept; a second run
                updates them.
        """
        if not self._exists("apps/local", self.app.name):
            label = self.app.setting("app.conf", "ui", "label")
            self._post("/services/apps/local", name=self.app.name, label=label, visible="1")
            self.report(f"created the app {self.app.name}")
        for each in knowledge_objects(self.app):
            self._make(each)
        self._fill()
        self._share(owner)
        for line in self.manual_steps():
            self.report(f"manual step: {line}")

    def remove(self) -> None:
        """Remove the objects that `install` creates, except collections and their records."""
        for each in reversed(list(knowledge_objects(self.app))):
            if each.keep_on_removal:
                self.report(f"kept {each}")
            elif self._exists(self._within(each.endpoint), each.name):
                self._delete(self._path(each))
                self.report(f"removed {each}")

    def manual_steps(self) -> Iterator[str]:
        """Yield what cannot be created over REST."""
        yield "the indexes of the app for indexers"
        for path in sorted((self.app.folder / "lookups").glob("*.mlmodel")):
            yield f"the model stub {path.name}: copy it into the app's lookups folder"
        for search in self.app.searches:
            if makes_status(self.app.readable(search)):
                yield f"run the search {search.name} once: it makes the entry for the container's status"

    def _fill(self) -> None:
        """Create missing CSV lookups by a search, because REST accepts no files."""
        for path in sorted((self.app.folder / "lookups").glob("*.csv")):
            if not self._exists(self._within("data/lookup-table-files"), path.name):
                self.run(seed_search(path.read_text(encoding="utf-8"), path.name))
                self.report(f"created the lookup {path.name}")

    def _make(self, each: KnowledgeObject) -> None:
        exists = self._exists(self._within(each.endpoint), each.name)
        if exists and each.keep_existing:
            self.report(f"kept {each}")
            return
        settings = {key: value for key, value in each.settings.items() if not (exists and key in KEPT_SETTINGS)}
        if exists:
            self._post(self._path(each), **settings)
        else:
            self._post(f"/{self._within(each.endpoint)}", name=each.name, **settings)
        self.report(f"{'updated' if exists else 'created'} {each}")

    def _share(self, owner: str) -> None:
        """Set the searches' owner, and the permissions of the app, lookups and collections."""
        for stanza in self.app.conf("savedsearches.conf"):
            self._rights(self._within("saved/searches"), stanza.name, owner=owner)
        for stanza in conf.read(self.app.folder / "metadata" / "default.meta"):
            kind, _, name = stanza.name.partition("/")
            given = _rights(stanza.get("access"))
            if given and not kind:
                self._rights("services/apps/local", self.app.name, owner="nobody", **given)
            elif given and name:
                folder = self._within(_ENDPOINTS.get(kind, f"configs/conf-{kind}"))
                self._rights(folder, name, owner="nobody", **given)

    def _rights(self, folder: str, name: str, **given: str) -> None:
        self._post(f"/{folder}/{quote(name, safe='')}/acl", sharing="app", **given)

    def _exists(self, endpoint: str, name: str) -> bool:
        path = f"/{endpoint if endpoint.startswith('services') else 'services/' + endpoint}/{quote(name, safe='')}"
        try:
            self.connection.call(name, lambda service: service.get(_encoded(path)))
        except NotThere:
            return False
        return True

    def _within(self, endpoint: str) -> str:
        return f"servicesNS/nobody/{self.app.name}/{endpoint}"

    def _path(self, each: KnowledgeObject) -> str:
        return f"/{self._within(each.endpoint)}/{quote(each.name, safe='')}"

    def _post(self, path: str, **settings: str) -> None:
        # Not repeated when the answer is lost: the next run finds the object and updates it.
        # Everything is in the body, because splunk-sdk reads an argument `owner` as a namespace.
        body, form = urlencode(settings), [("Content-Type", "application/x-www-form-urlencoded")]
        self.connection.call(path, lambda service: service.post(_encoded(path), headers=form, body=body), patience=0)

    def _delete(self, path: str) -> None:
        self.connection.call(path, lambda service: service.delete(_encoded(path)))


def _encoded(path: str) -> UrlEncoded:
    """Mark the path as encoded: its names are quoted already."""
    return UrlEncoded(path, skip_encode=True)


def seed_search(text: str, name: str) -> str:
    """Return a search that writes the CSV `text` to the lookup `name`.

    Raises:
        SearchInvalid: a value has a double quote, which the search cannot contain.
    """
    if '"' in text:
        raise SearchInvalid(f"{name} contains double quotes: upload it in Settings, Lookups")
    rows = "\n".join(",".join(row) for row in csv.reader(text.splitlines()))
    return f'| makeresults format=csv data="{rows}" | outputlookup {name}'


def _rights(access: str) -> dict[str, str]:
    found = re.findall(r"(read|write)\s*:\s*\[([^\]]*)\]", access)
    return {f"perms.{kind}": ",".join(re.findall(r"[\w*]+", names)) for kind, names in found}
