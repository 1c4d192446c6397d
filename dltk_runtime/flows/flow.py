"""The description of a flow: one frozen `Flow`, from prompts, options or ``flow.yaml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dltk_runtime.errors import nearest
from dltk_runtime.files.records import converted
from dltk_runtime.fit.options import METRICS
from dltk_runtime.flows import fields as forms
from dltk_runtime.flows import windows
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.kinds import Kind, Predicts, Scoring, Source
from dltk_runtime.flows.windows import minute_of

FILE = "flow.yaml"
SENSITIVITY = "sensitivity"  # the column that people set by entity in flows without a target
SEARCH_TEXTS = ("base", "prepare", "derive")
MAX_LAG_MINUTES = 7 * 24 * 60
# Commands that make rows by themselves: they follow a pipe, or Splunk takes their names for words to search.
GENERATING = frozenset(
    ("tstats", "mstats", "inputlookup", "inputcsv", "makeresults", "from", "datamodel", "rest", "dbxquery", "metadata")
)


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flow. Searches are SPL without a leading pipe."""

    kind: Kind
    name: str
    algorithm: str  # of the container; "" beside `native`: none
    base: str  # finds the raw events
    prepare: str  # computes `entity`, the features and the target
    features: tuple[str, ...]
    target: str  # "" for anomalies: nothing is predicted, and `outcome` is what the model returns
    parameters: str = ""  # of the algorithm, as in `fit … epochs=20`
    positive: str = "bad"  # the label for target 1; predicts=class: the class that is a finding
    negative: str = "good"  # the label for target 0
    derive: str = "eval entity=lower(entity)"  # feedback: features from `entity`, for scoring and training
    score: str = ""  # feedback: the column with the model's probability, 0 to 1
    native: str = ""  # an algorithm of the AI Toolkit itself, on the search head; `algorithm` is its challenger then
    native_parameters: str = ""  # of that algorithm
    predicts: Predicts = Predicts.YES_NO
    limit: float = 0.0  # predicts=number: a prediction from here on is a finding
    outcome: str = ""  # without a target: the first column that the model returns, 1 for an anomaly
    sensitivity: float = 0.01  # without a target: share of the rows that are anomalies, where nobody has set another
    version: int = 1  # of the feature set: part of the model's name
    metric: str = "accuracy"  # a fit is promoted if this is better …
    gain: float = 0.002  # … by at least this
    holdout: float = 0.2  # share of the rows that are held out
    interval: int = 5  # minutes of a window
    zone: str = "UTC"  # interval=1440: days begin at midnight there
    lag: int = 7  # minutes that events may arrive late
    offset: int = 2  # minute of the hour of the first run; without a value it follows from the name
    train_days: int = 30  # days that a training reads
    train_hour: int = 3
    source: Source = Source.EVENTS
    scoring: Scoring = Scoring.SUMMARY
    labels: bool = False  # summary: people judge what was scored, and their labels return into training
    extras: tuple[str, ...] = ()  # further features, which people keep by entity; with labels of people
    min_labels: int = 20  # with labels of people: so many a training needs
    min_each: int = 50  # … and so many rows of each class, those known without people included
    recipients: tuple[str, ...] = ()  # addresses that alerts and the daily report are sent to
    risk_object: str = ""  # Enterprise Security: what an entity is (system, user or other), for its risk events
    release: str = "1.0.0"

    @property
    def app(self) -> str:
        """Folder and id of the app for search heads."""
        return f"dltk_flow_{self.name}"

    @property
    def index_app(self) -> str:
        """Folder and id of the app for indexers."""
        return f"{self.app}_indexes"

    @property
    def predicted(self) -> str:
        """Name of the field with the model's answer, in every record that the flow writes."""
        return f"predicted_{self.target or self.outcome}"

    @property
    def challenged(self) -> bool:
        """Whether the container's algorithm learns and predicts beside one of the toolkit."""
        return bool(self.native and self.algorithm)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the fields that the model learns from: features of events, then those that people keep."""
        return (*self.features, *self.extras)

    @property
    def judged(self) -> bool:
        """Whether people judge what was scored."""
        return self.kind is Kind.FEEDBACK or self.labels

    @property
    def stored_as_events(self) -> bool:
        """Whether the features are stored as events of a summary index."""
        return self.kind is Kind.SUMMARY and self.source is Source.EVENTS

    @property
    def period(self) -> int:
        """Minutes between two starts of the search that writes windows."""
        return windows.period(self.interval)

    @property
    def several_windows(self) -> bool:
        """Whether one search writes several windows, and so has to tell them apart itself."""
        return not windows.fits_a_start(self.interval)

    @property
    def model(self) -> str:
        """Name of the model, with the version of its features: new features make a new model."""
        return f"{self.name}_v{self.version}"


def read(path: Path) -> Flow:
    """Read a ``flow.yaml``.

    Raises:
        FlowInvalid: the file is missing, not YAML, or not a valid flow.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # values too: the 45th of a month
        raise FlowInvalid(f"cannot read {path}: {error}. Create a flow with 'dltk flow new'") from error
    return make({str(name): value for name, value in content.items()} if isinstance(content, dict) else {}, str(path))


def make(content: dict[str, Any], origin: str = "the options") -> Flow:
    """Build a flow from values and validate it; `origin` names their source in errors.

    Raises:
        FlowInvalid: a value is missing, unknown, of the wrong type or out of range.
    """
    for key in content:
        if key not in Flow.__struct_fields__:
            raise FlowInvalid(f"{origin}: unknown key {key!r}.{nearest(key, Flow.__struct_fields__)}")
    try:
        flow = converted(content, Flow)
    except msgspec.ValidationError as error:
        raise FlowInvalid(f"{origin}: invalid flow: {error}") from error
    flow = msgspec.structs.replace(flow, **{name: forms.one_line(getattr(flow, name)) for name in SEARCH_TEXTS})
    if "offset" not in content and flow.interval > 0:
        flow = msgspec.structs.replace(flow, offset=minute_of(flow.name, min(flow.period, 60)))
    checks = _checks_of_the_schedule(flow) | _checks_of_the_fields(flow) | _checks_of_the_texts(flow)
    for problem in (problem for problem, fine in checks.items() if not fine):
        raise FlowInvalid(f"{origin}: {problem}")
    return flow


def write(flow: Flow, path: Path) -> None:
    """Write ``flow.yaml``, which ``dltk flow new --from`` reads."""
    path.write_text(text_of(flow), encoding="utf-8")


def text_of(flow: Flow) -> str:
    """Return the content of ``flow.yaml``."""
    text = yaml.safe_dump(msgspec.to_builtins(flow), sort_keys=False, allow_unicode=True, width=110)
    return "# After editing, write the apps again: dltk flow new --from flow.yaml --force\n" + text


def _checks_of_the_schedule(flow: Flow) -> dict[str, object]:
    """Return by problem what is true where it is absent: the name, the schedule, how a version is decided on."""
    return {
        f"name={flow.name!r} must be a-z, 0-9 and _, at most 31 characters": forms.NAME.fullmatch(flow.name),
        f"name={flow.name!r} must not end in _metrics: the metrics index of another flow may have that name": (
            not flow.name.endswith("_metrics")
        ),
        f"algorithm={flow.algorithm!r} must be one word without quotes; '' beside native alone": (
            forms.ALGORITHM.fullmatch(flow.algorithm) or (flow.native and not flow.algorithm)
        ),
        f"native={flow.native!r} must be one word, such as RandomForestClassifier": (
            not flow.native or forms.FIELD.fullmatch(flow.native)
        ),
        "native needs kind=direct or summary, a target, and labels=false: people judge what the container predicts": (
            not flow.native or (bool(flow.target) and not flow.judged)
        ),
        f"interval={flow.interval} must be 5 to 60 and divide 60: more than 12 starts an hour are refused in Cloud. "
        f"With kind=summary and source=events also 1 to 4, and {', '.join(map(str, windows.LONG))}": (
            windows.fits(flow.interval) if flow.stored_as_events else windows.fits_a_start(flow.interval)
        ),
        f"interval={flow.interval}: one search writes several windows, so prepare must keep them apart: "
        "stats … BY _time entity": (not flow.several_windows or "_time" in flow.prepare),
        f"interval={flow.interval} needs scoring=summary: raw events are scored in windows of 5 to 60 minutes": (
            not flow.several_windows or flow.scoring is Scoring.SUMMARY
        ),
        f"zone={flow.zone!r} is not a name of the time zone database, such as Europe/Berlin": windows.known(flow.zone),
        f"zone={flow.zone!r} needs interval=1440: only days begin at midnight": (
            flow.zone == "UTC" or flow.interval == windows.DAY_MINUTES
        ),
        f"offset={flow.offset} must be less than the minutes between two starts, and than 60": (
            0 <= flow.offset < min(flow.period, 60)
        ),
        f"lag={flow.lag} must be at least 1 minute, and at most {MAX_LAG_MINUTES}": 1 <= flow.lag <= MAX_LAG_MINUTES,
        f"train_hour={flow.train_hour} must be 0 to 23": 0 <= flow.train_hour <= 23,
        f"train_days={flow.train_days} must be at least 1": flow.train_days >= 1,
        f"holdout={flow.holdout} must be between 0 and 1": 0 < flow.holdout < 1,
        f"gain={flow.gain} must be 0 or more": flow.gain >= 0,
    }


def _checks_of_the_fields(flow: Flow) -> dict[str, object]:
    """Return the same of the metric and the fields, and of what is predicted."""
    own = forms.own_fields(more=flow.judged or flow.several_windows)
    fields = [*flow.features, *flow.extras, *(name for name in (flow.target, flow.score, flow.outcome) if name)]
    return {
        f"metric={flow.metric!r} cannot decide on promotion; known are {', '.join(METRICS)}": flow.metric in METRICS,
        f"features={list(flow.features)} must be names of letters, digits and _ alone, without wildcards; "
        "rename others in prepare: rename http.status AS http_status": (
            flow.features and all(map(forms.FIELD.fullmatch, flow.features))
        ),
        f"features={list(flow.features)} and target={flow.target!r} must leave out the flow's own fields: "
        f"{', '.join(sorted(own))}": not own & {*flow.inputs, flow.target},
        f"target={flow.target!r} must be the name of one field, of letters, digits and _ alone": (
            not flow.target or forms.FIELD.fullmatch(flow.target)
        ),
        f"outcome={flow.outcome!r} must be empty with a target; without, it must be the name of one field: the first "
        "column that the algorithm returns": (not flow.outcome if flow.target else forms.FIELD.fullmatch(flow.outcome)),
        f"sensitivity={flow.sensitivity} must be a share from 0 to below 0.5": 0 <= flow.sensitivity < 0.5,
        f"features={list(flow.features)} must leave out {SENSITIVITY!r} where there is no target: people set it": (
            flow.target or SENSITIVITY not in flow.features
        ),
        f"metric={flow.metric!r} does not measure numbers; {', '.join(sorted(forms.NUMBER_METRICS))} do": (
            flow.predicts is not Predicts.NUMBER or flow.metric in forms.NUMBER_METRICS
        ),
        f"metric={flow.metric!r} does not measure classes: they are no numbers": (
            flow.predicts is not Predicts.CLASS or flow.metric not in forms.NUMBER_METRICS
        ),
        f"predicts={flow.predicts.value} needs a target, and no feedback flow: there people say yes or no": (
            flow.predicts is Predicts.YES_NO or (bool(flow.target) and flow.kind is not Kind.FEEDBACK)
        ),
        "predicts=class cannot be kept in a metrics index, which holds numbers alone; use source=events": (
            flow.predicts is not Predicts.CLASS or flow.source is not Source.METRICS
        ),
        "predicts=class cannot be read with source=indexed: that tstats compares texts is not documented; use "
        "source=events": flow.predicts is not Predicts.CLASS or flow.source is not Source.INDEXED,
        f"features={list(flow.features)} must be numbers with source={flow.source.value}, so 'entity' is none": (
            flow.source not in (Source.METRICS, Source.INDEXED) or "entity" not in flow.features
        ),
        "a feedback flow needs a target: people label what is predicted": (
            flow.kind is not Kind.FEEDBACK or flow.target
        ),
        f"extras={list(flow.extras)} must be names of letters, digits and _ alone, of a flow that people judge: a "
        "feedback flow, or labels=true": all(flow.judged and forms.FIELD.fullmatch(name) for name in flow.extras),
        f"score={flow.score!r} must be the name of one field": not flow.score or forms.FIELD.fullmatch(flow.score),
        f"features={list(flow.features)}, extras, target={flow.target!r} and score name a field twice": (
            len(set(fields)) == len(fields)
        ),
    }


def _checks_of_the_texts(flow: Flow) -> dict[str, object]:
    """Return the same of the parameters, the labels and the search."""
    first = flow.base.split(maxsplit=1)[0].lower() if flow.base.strip() else ""
    return {
        f"parameters={flow.parameters!r} must be name=value, separated by blanks": forms.PARAMETERS.fullmatch(
            flow.parameters.strip()
        ),
        f"native_parameters={flow.native_parameters!r} must be name=value, separated by blanks": (
            forms.PARAMETERS.fullmatch(flow.native_parameters.strip())
        ),
        f"positive={flow.positive!r} and negative={flow.negative!r} must differ, and be words of letters, digits, "
        "_ and -": (flow.positive != flow.negative and all(map(forms.LABEL.fullmatch, (flow.positive, flow.negative)))),
        f"recipients={list(flow.recipients)} must be addresses such as soc@example.com": all(
            map(forms.ADDRESS.fullmatch, flow.recipients)
        ),
        f"risk_object={flow.risk_object!r} must be empty or one of {', '.join(forms.RISK_OBJECTS)}": (
            not flow.risk_object or flow.risk_object in forms.RISK_OBJECTS
        ),
        f"release={flow.release!r} must be three numbers such as 1.0.0": re.fullmatch(r"\d+\.\d+\.\d+", flow.release),
        "people who judge need the column of the score (score: dga_score)": not flow.judged or flow.score,
        "labels=true needs kind=summary with source=events, and a target that is yes or no": not flow.labels
        or (flow.stored_as_events and flow.target and flow.predicts is Predicts.YES_NO),
        "scoring=raw needs kind=summary with source=events: only there the features are made by a macro": (
            flow.scoring is Scoring.SUMMARY or flow.stored_as_events
        ),
        "base must begin without a pipe; for tstats or mstats use a summary flow with source=datamodel": (
            not flow.base.lstrip().startswith("|")
        ),
        f"base begins with the command {first!r}, which Splunk would search for as a word; use a summary flow with "
        "source=datamodel, or begin with what finds events, such as index=main": (
            first not in GENERATING or flow.source is Source.DATAMODEL
        ),
    }
