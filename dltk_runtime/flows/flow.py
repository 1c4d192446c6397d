"""What a flow is made from: one frozen `Flow`, asked for, given as options, or read from ``flow.yaml``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dltk_runtime.errors import nearest
from dltk_runtime.flows.errors import FlowInvalid

FILE = "flow.yaml"
# Names of flows become parts of indexes, macros, collections and models; indexes have no capitals.
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Kind(StrEnum):
    """The three ways to organise the data of machine learning."""

    DIRECT = "direct"
    SUMMARY = "summary"
    FEEDBACK = "feedback"


class Source(StrEnum):
    """Where a summary flow keeps its features: events, a metrics index, or an accelerated data model."""

    EVENTS = "events"
    METRICS = "metrics"
    DATAMODEL = "datamodel"


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flow. Times are whole minutes; searches are SPL without a pipe in front."""

    kind: Kind
    name: str
    algorithm: str
    base: str  # finds the raw events
    prepare: str  # makes `entity`, the features and the target of them
    features: tuple[str, ...]
    target: str
    parameters: str = ""  # of the algorithm, as in `fit … epochs=20`
    positive: str = "bad"  # what people call a 1 …
    negative: str = "good"  # … and a 0 of the target
    derive: str = "eval entity=lower(entity)"  # feedback: features from `entity`, for scoring and training alike
    score: str = ""  # feedback: the column that says how sure the model is, 0 to 1
    version: int = 1  # of the feature set: part of the model's name
    metric: str = "accuracy"  # promotes a fit when better
    gain: float = 0.002
    holdout: float = 0.2
    interval: int = 5
    lag: int = 7
    offset: int = 2  # minute of the hour at which the first run starts
    train_days: int = 30
    train_hour: int = 3
    source: Source = Source.EVENTS
    min_labels: int = 20
    min_each: int = 50  # of both classes, seed included
    release: str = "1.0.0"

    @property
    def app(self) -> str:
        """The folder and id of the app for search heads."""
        return f"dltk_flow_{self.name}"

    @property
    def index_app(self) -> str:
        """The folder and id of the app for indexers."""
        return f"{self.app}_indexes"

    @property
    def model(self) -> str:
        """The model's name carries the version of its features: new features are a new model."""
        return f"{self.name}_v{self.version}"


def read(path: Path) -> Flow:
    """The flow that a ``flow.yaml`` describes.

    Raises:
        FlowInvalid: it is missing, no YAML, or describes no flow.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FlowInvalid(f"{path} cannot be read: {error}. Make one with 'dltk flow new'") from error
    return make(content if isinstance(content, dict) else {}, str(path))


def make(content: dict[str, Any], origin: str = "the options") -> Flow:
    """A checked flow of these values.

    Raises:
        FlowInvalid: a value is missing, unknown or of another kind; names which.
    """
    for key in content:
        if key not in Flow.__struct_fields__:
            raise FlowInvalid(f"{origin}: no flow has {key!r}.{nearest(key, Flow.__struct_fields__)}")
    try:
        flow = msgspec.convert(content, Flow)
    except msgspec.ValidationError as error:
        raise FlowInvalid(f"{origin} describes no flow: {error}") from error
    for problem in problems(flow):
        raise FlowInvalid(f"{origin}: {problem}")
    return flow


def write(flow: Flow, path: Path) -> None:
    """Write ``flow.yaml``, to be edited and given to ``dltk flow new --from``."""
    text = yaml.safe_dump(msgspec.to_builtins(flow), sort_keys=False, allow_unicode=True, width=110)
    path.write_text(
        "# Edit, then write the apps anew: dltk flow new --from flow.yaml --force\n" + text, encoding="utf-8"
    )


def problems(flow: Flow) -> list[str]:
    """What is wrong with the values together; each a sentence without its full stop."""
    checks = {
        f"name={flow.name!r} must be lower-case letters, digits and underscores, at most 31": NAME.fullmatch(flow.name),
        f"interval={flow.interval} must be 5 to 60 and divide 60: more than 12 starts an hour are refused in Cloud": (
            5 <= flow.interval <= 60 and 60 % flow.interval == 0
        ),
        f"offset={flow.offset} must be less than the interval": 0 <= flow.offset < flow.interval,
        f"lag={flow.lag} must be at least 1 minute": flow.lag >= 1,
        f"train_hour={flow.train_hour} must be 0 to 23": 0 <= flow.train_hour <= 23,
        f"holdout={flow.holdout} must lie between 0 and 1": 0 < flow.holdout < 1,
        f"gain={flow.gain} must be 0 or more": flow.gain >= 0,
        f"features={list(flow.features)} must be names of fields, without wildcards": (
            flow.features and all(map(FIELD.fullmatch, flow.features))
        ),
        f"target={flow.target!r} must be the name of a field": FIELD.fullmatch(flow.target),
        f"release={flow.release!r} must be three numbers such as 1.0.0": re.fullmatch(r"\d+\.\d+\.\d+", flow.release),
        "a feedback flow needs the score's column (score: dga_score)": flow.kind is not Kind.FEEDBACK or flow.score,
        "base begins with a pipe: put tstats and mstats heads into a summary flow's source": (
            not flow.base.lstrip().startswith("|")
        ),
    }
    return [problem for problem, fine in checks.items() if not fine]
