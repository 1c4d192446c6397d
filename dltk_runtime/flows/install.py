"""An app's knowledge objects, made over Splunk's REST API: for an Enterprise search head where no package is uploaded.

Splunk writes what REST makes into the app's ``local``. So an upgrade keeps what people change there: macros that exist,
and of a search whether it is enabled, its schedule and its owner. Indexes, collections and labels are never removed.
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
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import NotThere

CONFS = ("macros", "transforms", "savedsearches", "authorize")
COLLECTIONS = "storage/collections/config"
# Where the objects lie that metadata/default.meta names by their kind; all others are stanzas of a file of that name.
_FOLDERS = {"collections": COLLECTIONS, "views": "data/ui/views", "nav": "data/ui/nav"}
# What people change of a search, and an upgrade leaves alone.
KEPT = ("disabled", "enableSched", "cron_schedule")


@dataclass(frozen=True, slots=True)
class Thing:
    """One knowledge object: the endpoint that makes it, its name and settings.

    `theirs`: it is left alone where it exists. `stays`: it is not removed with the app's other objects.
    """

    endpoint: str
    name: str
    settings: Mapping[str, str]
    theirs: bool = False
    stays: bool = False

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.name}"


def things(app: App) -> Iterator[Thing]:
    """What an app is made of, each behind what it needs."""
    for stanza in app.conf("collections.conf"):
        yield Thing(COLLECTIONS, stanza.name, stanza.settings, stays=True)
    for name in CONFS:
        for stanza in app.conf(f"{name}.conf"):
            yield Thing(f"configs/conf-{name}", stanza.name, stanza.settings, theirs=name == "macros")
    for path in app.views:
        yield Thing("data/ui/views", path.stem, {"eai:data": path.read_text(encoding="utf-8")})
    navigation = app.folder / "default" / "data" / "ui" / "nav" / "default.xml"
    if navigation.is_file():
        yield Thing("data/ui/nav", "default", {"eai:data": navigation.read_text(encoding="utf-8")}, stays=True)


@dataclass(frozen=True, slots=True)
class Installer:
    """Makes, renews and removes the objects of `app`; `run` runs a search in it, `tell` is told each object."""

    connection: Connection
    app: App
    run: Callable[[str], object]
    tell: Callable[[str], None]

    def install(self, owner: str) -> None:
        """Make everything, or renew what is there; the searches belong to `owner`, who must exist.

        Raises:
            SplunkError: the first that Splunk refuses; running it again goes on from there.
        """
        if not self._there("apps/local", self.app.name):
            label = self.app.setting("app.conf", "ui", "label")
            self._post("/services/apps/local", name=self.app.name, label=label, visible="1")
            self.tell(f"made the app {self.app.name}")
        for thing in things(self.app):
            self._make(thing)
        self._fill()
        self._share(owner)
        for line in self.by_hand():
            self.tell(f"by hand: {line}")

    def remove(self) -> None:
        """Remove what `install` makes, but for collections with what people wrote into them, and indexes."""
        for thing in reversed(list(things(self.app))):
            if thing.stays:
                self.tell(f"kept {thing}")
            elif self._there(self._within(thing.endpoint), thing.name):
                self._delete(self._path(thing))
                self.tell(f"removed {thing}")

    def by_hand(self) -> Iterator[str]:
        """What REST cannot make."""
        yield "the indexes of the app for indexers"
        for path in sorted((self.app.folder / "lookups").glob("*.mlmodel")):
            yield f"the model stub {path.name}: copy it into the app's lookups folder"

    def _fill(self) -> None:
        """CSV lookups by a search, since REST takes no files; what is there stays."""
        for path in sorted((self.app.folder / "lookups").glob("*.csv")):
            if not self._there(self._within("data/lookup-table-files"), path.name):
                self.run(seed_search(path.read_text(encoding="utf-8"), path.name))
                self.tell(f"made the lookup {path.name}")

    def _make(self, thing: Thing) -> None:
        there = self._there(self._within(thing.endpoint), thing.name)
        if there and thing.theirs:
            self.tell(f"kept {thing}")
            return
        settings = {key: value for key, value in thing.settings.items() if not (there and key in KEPT)}
        if there:
            self._post(self._path(thing), **settings)
        else:
            self._post(f"/{self._within(thing.endpoint)}", name=thing.name, **settings)
        self.tell(f"{'renewed' if there else 'made'} {thing}")

    def _share(self, owner: str) -> None:
        """Searches to their owner; the app, lookups and collections to who may read and write them."""
        for stanza in self.app.conf("savedsearches.conf"):
            self._rights(self._within("saved/searches"), stanza.name, owner=owner)
        for stanza in conf.read(self.app.folder / "metadata" / "default.meta"):
            kind, _, name = stanza.name.partition("/")
            given = _rights(stanza.get("access"))
            if given and not kind:
                self._rights("services/apps/local", self.app.name, owner="nobody", **given)
            elif given and name:
                folder = self._within(_FOLDERS.get(kind, f"configs/conf-{kind}"))
                self._rights(folder, name, owner="nobody", **given)

    def _rights(self, folder: str, name: str, **given: str) -> None:
        self._post(f"/{folder}/{quote(name, safe='')}/acl", sharing="app", **given)

    def _there(self, endpoint: str, name: str) -> bool:
        path = f"/{endpoint if endpoint.startswith('services') else 'services/' + endpoint}/{quote(name, safe='')}"
        try:
            self.connection.call(name, lambda service: service.get(_encoded(path)))
        except NotThere:
            return False
        return True

    def _within(self, endpoint: str) -> str:
        return f"servicesNS/nobody/{self.app.name}/{endpoint}"

    def _path(self, thing: Thing) -> str:
        return f"/{self._within(thing.endpoint)}/{quote(thing.name, safe='')}"

    def _post(self, path: str, **settings: str) -> None:
        # `name` may be lost and sent again: what it made is then found and renewed by the next run.
        # All of it in the body: splunk-sdk takes an `owner` among its arguments for the namespace.
        body, form = urlencode(settings), [("Content-Type", "application/x-www-form-urlencoded")]
        self.connection.call(path, lambda service: service.post(_encoded(path), headers=form, body=body), patience=0)

    def _delete(self, path: str) -> None:
        self.connection.call(path, lambda service: service.delete(_encoded(path)))


def _encoded(path: str) -> UrlEncoded:
    """The path as it is: names in it are quoted already."""
    return UrlEncoded(path, skip_encode=True)


def seed_search(text: str, name: str) -> str:
    """A search that writes a small CSV file as a lookup.

    Raises:
        SearchInvalid: a value holds a double quote, which the search could not carry.
    """
    if '"' in text:
        raise SearchInvalid(f"{name} holds double quotes: upload it in Settings, Lookups")
    rows = "\n".join(",".join(row) for row in csv.reader(text.splitlines()))
    return f'| makeresults format=csv data="{rows}" | outputlookup {name}'


def _rights(access: str) -> dict[str, str]:
    found = re.findall(r"(read|write)\s*:\s*\[([^\]]*)\]", access)
    return {f"perms.{kind}": ",".join(re.findall(r"[\w*]+", names)) for kind, names in found}
