"""One request on its way through the server: what was sent, in which state it is, what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dltk_runtime.access.actor import NOBODY, Actor, one_line
from dltk_runtime.access.holder import INSIDE, Holder
from dltk_runtime.errors import BodyInvalid, shown
from dltk_runtime.payload import Forms, Payload
from dltk_runtime.secret_names import meta_without_session_keys
from dltk_runtime.texts import unquote

DEFAULT_MODEL = "default"  # the name of a model fitted without `into`
MAX_SID_CHARACTERS = 200

Meta = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A fit or an apply as it was sent, without session keys. Names are not yet validated."""

    rows: Payload
    meta: Meta
    meta_json: bytes  # for a worker; Python's own JSON keeps NaN and integers of any size
    algorithm: str | None
    model: str
    parameters: dict[str, str]
    origin: int = 0  # differs between clients, as far as the request shows; means nothing outside this process
    fields_of_fit: bool = True  # whether its fields are those of the last fit, as Splunk keeps them
    version: int | None = None  # that has to answer; None: the one that serves
    forms: Forms | None = None  # of rows and results; None: CSV as Splunk sends and reads it

    @classmethod
    def of(cls, rows: Payload, sent: Meta) -> Request:
        """Make a request of `rows` and the `meta` sent with them.

        Raises:
            BodyInvalid: naming the first entry that is not as Splunk sends it.
        """
        meta = meta_without_session_keys(sent)  # first, so that no text made of it can hold one
        options = _object(meta, "options", "meta.options")
        parameters = _object(options, "params", "meta.options.params")
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
        meta_json = json.dumps(meta).encode()
        return cls(
            rows=rows,
            meta=meta,
            meta_json=meta_json,
            origin=hash(_session(sent) or meta_json),
            algorithm=_name(parameters.get("algo"), "meta.options.params.algo"),
            model=_name(options.get("model_name"), "meta.options.model_name") or DEFAULT_MODEL,
            parameters=texts,
        )

    @property
    def staging(self) -> bool:
        """Whether ``mode=stage`` asks to write the data beside the notebooks (fit only)."""
        return self.mode == "stage"

    @property
    def registering(self) -> bool:
        """Whether ``mode=register`` asks for Splunk's entry alone (fit only)."""
        return self.mode == "register"

    @property
    def mode(self) -> str:
        """What ``mode=`` asks for, without quotes; empty without it."""
        return unquote(self.parameters.get("mode", "")).strip()

    @property
    def named(self) -> bool:
        """Whether the search names its model, by ``into``."""
        options = self.meta.get("options")
        return isinstance(options, dict) and bool(options.get("model_name"))

    @property
    def sid(self) -> str:
        """The id of the search in Splunk; empty where `meta` does not hold it."""
        return sid_of(self.meta)

    @property
    def targets(self) -> list[str]:
        """The target's name in a list, or an empty list."""
        targets = self.meta.get("target_variables")
        return [str(each) for each in targets] if isinstance(targets, list) else []


class CallState(Enum):
    """How far a call is. A client that hangs up drops a call that waits; a running one goes on."""

    WAITING = "waiting"  # no worker has it
    RUNNING = "running"  # a worker has it, or the server answers by itself


@dataclass
class CallFacts:
    """What is known of a call, for the log, metrics, traces and events. None: not known."""

    algorithm: str | None = None
    model: str | None = None
    version: int | None = None
    job: str | None = None
    rows: int | None = None
    promoted: bool | None = None
    read_ahead: bool | None = None
    together: int | None = None  # requests that were applied as one, with this one
    damage: str | None = None  # why another version than the current one serves, or none
    phases: dict[str, float] = field(default_factory=dict)  # seconds, in the order in which they began

    def known(self) -> dict[str, Any]:
        """Return the facts that are known, without the phases."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "phases"}


@dataclass(eq=False)
class Call:
    """One request on its way."""

    id: str
    route: str
    state: CallState = CallState.WAITING
    facts: CallFacts = field(default_factory=CallFacts)
    client: Hashable = None  # who sent it: the address, and `Request.origin`
    holder: Holder = INSIDE  # of the token that it came with
    actor: Actor = NOBODY
    meta: Mapping[str, Any] = field(default_factory=dict)  # as it was sent, without session keys
    background: bool = False  # nobody waits for it: it runs at low priority, and can be stopped
    recall: Callable[[], object] | None = None  # takes it back from the worker that runs another one before it

    @property
    def waiting(self) -> bool:
        """Whether no worker has it yet."""
        return self.state is CallState.WAITING

    def runs(self) -> None:
        """Note that a worker has it from now on."""
        self.state, self.recall = CallState.RUNNING, None

    def waits(self) -> None:
        """Note that it waits for a worker: once more, where it was moved."""
        self.state, self.recall = CallState.WAITING, None

    def handed(self, recall: Callable[[], object]) -> None:
        """Note that it waits in a worker, from which `recall` takes it back unless it has begun."""
        self.recall = recall

    def given_up(self) -> bool:
        """Return whether it still waits and can be dropped, since its client has hung up.

        One that waits in a worker is taken back; where that has begun it meanwhile, it runs.
        """
        if self.recall is not None:
            self.recall()
        return self.waiting

    def spent(self, phases: Mapping[str, float]) -> None:
        """Add the seconds of phases that are over, in the order in which they began."""
        known = self.facts.phases
        for name, seconds in phases.items():
            known[name] = known.get(name, 0.0) + seconds


def sid_of(meta: Mapping[str, Any]) -> str:
    """Return the id of a request's search in Splunk; empty where `meta` does not hold it."""
    return next(_sids(meta), "")


def _session(meta: Mapping[str, Any]) -> str:
    """Return Splunk's session key in a request, or "": every search of one login has the same."""
    for place in (meta, meta.get("options")):
        for inner in (place, place.get("search_info")) if isinstance(place, dict) else ():
            if isinstance(inner, dict) and isinstance(key := inner.get("session_key"), str) and key:
                return key
    return ""


def _sids(meta: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of the search: as `sid`, or as the last part of the path in `dispatch_dir`."""
    places = (meta, meta.get("search_info"), meta.get("options"))
    for place in (*places, *(each.get("search_info") for each in places if isinstance(each, dict))):
        if isinstance(place, dict):
            for key in ("sid", "dispatch_dir"):
                if isinstance(text := place.get(key), str) and (sid := _last_part(text)):
                    yield sid


def _last_part(path: str) -> str:
    end = path[-4 * MAX_SID_CHARACTERS :].rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    return one_line(end, MAX_SID_CHARACTERS)


def _object(parent: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BodyInvalid(f"'{path}' must be an object, not {shown(json.dumps(value))}.")
    return value


def _name(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BodyInvalid(f"'{path}' must be a text, not {shown(json.dumps(value))}.")
    return unquote(value)
