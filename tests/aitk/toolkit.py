"""Stands for Splunk: the AI Toolkit 5.7 to 6.0 as a client of a container, as its public code was read.

It imports nothing of the runtime. What it keeps to:

* the address is looked up anew at each call, in ``local/dsdl_container.conf`` (the model's stanza, else
  ``[__dev__]``) and ``local/container_connections.conf`` (a section named like `cluster`), both read as files;
* one stored token for all containers, read with the session key of the options, sent raw and without a scheme word;
* urllib, a new connection and a new TLS context for each call, no time-out;
* the status probe waits 5 s, and wants HTTP 200 with the expected `app`;
* `partial_fit` goes to /fit; applies go in chunks of 50,000 rows; columns without any value, and then rows with a null,
  are left out before; results of the frame's length are merged by position;
* an answer without results is a message, and the rows go on as they are; the stub is saved all the same, by a role that
  has the capability ``upload_lookup_files``.
"""

from __future__ import annotations

import configparser
import io
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tests.aitk import codec
from tests.aitk.codec import ToolkitError

APP = "Splunk App for Data Science and Deep Learning"
ACTIVE, WAITING = "Active", "Waiting for Url to start"
UPLOAD = "upload_lookup_files"  # the capability that a role needs to save a model's file
PROBE_SECONDS = 5.0
CHUNK_ROWS = 50_000
LIMITS = {"max_fit_time": "600", "max_inputs": "100000", "max_score_time": "600", "max_memory_usage_mb": "4000"}


@dataclass(frozen=True)
class Address:
    """Where a model's container is, and how its certificate is checked."""

    api_url: str
    api_url_external: str
    check_hostname: bool
    certificate: str


@dataclass
class Toolkit:
    """The toolkit in `app`, the folder ``Splunk_ML_Toolkit`` of a search head.

    `passwords` stands for Splunk's storage/passwords: the container's token by the session key that may read it.
    """

    app: Path
    passwords: Mapping[str, str]
    session_key: str
    capabilities: frozenset[str] = frozenset({UPLOAD})
    contexts: list[ssl.SSLContext] = field(default_factory=list)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # path and `meta` of each call
    messages: list[tuple[str, str]] = field(default_factory=list)  # of the searches: severity and text

    # ------------------------------------------------------------ the conf files

    def address(self, model: str, options: Mapping[str, Any] | None = None) -> Address:
        """Look a model's container up, as each call does.

        A `mode` of `options` that names development or staging asks for ``[__dev__]``. It is looked for beside the
        search's parameters, where no search writes it.
        """
        containers = read_conf(self.app / "local" / "dsdl_container.conf")
        mode = str((options or {}).get("mode", "")).lower()
        override = "dev" in mode or "stag" in mode
        name = model if containers.has_section(model) and not override else "__dev__"
        if not containers.has_section(name):
            raise ToolkitError(f"no container for {model}: neither a stanza of its own nor [__dev__]")
        stanza = dict(containers[name])
        url, cluster = stanza.get("api_url", ""), stanza.get("cluster", "")
        if not url.startswith(("http://", "https://")):
            raise ToolkitError(f"api_url {url!r} is no address")
        connections = read_conf(self.app / "local" / "container_connections.conf")
        if not connections.has_section(cluster):
            raise ToolkitError(f"Missing configuration section for cluster type: {cluster}")
        connection = dict(connections[cluster])
        return Address(
            url,
            stanza.get("api_url_external", url),
            connection.get("endpoint_cert_check_hostname", "") in ("1", "true"),
            connection.get("endpoint_cert_filename_or_path", ""),
        )

    # ------------------------------------------------------------ calls

    def status(self, model: str, *, token: bool = True, verify: bool = True, cafile: Path | None = None) -> str:
        """What the status page shows of a container; a Kubernetes start asks without the token.

        `verify` and `cafile` stand for DSDL_SSL_VERIFY and DSDL_CA_CERT_PATH.
        """
        url = self.address(model).api_url
        context = ssl.create_default_context(cafile=str(cafile) if cafile else None)
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = {"Authorization": self.passwords[self.session_key]} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=PROBE_SECONDS, context=context
            ) as answer:
                text = answer.read().decode()
        except OSError:
            return WAITING
        return ACTIVE if is_expected(text) else WAITING

    def fit(
        self,
        frame: pd.DataFrame,
        features: Sequence[str],
        target: str | None = None,
        model: str = "default",
        *,
        output_name: str | None = None,
        partial_fit: bool = False,
        **params: str,
    ) -> pd.DataFrame:
        """``| fit AITKContainer target from features into app:model``."""
        options: dict[str, Any] = {"params": params, "args": [*([target] if target else []), *features]}
        options |= {"target_variable": [target]} if target else {}
        options |= {"feature_variables": list(features), "model_name": model}
        options |= {"output_name": output_name} if output_name else {}
        options |= {"algo_name": "AITKContainer", "mlspl_limits": LIMITS, "kfold_cv": None}
        meta: dict[str, Any] = {
            "options": options | {"session_key": self.session_key},
            "feature_variables": list(features),
        }
        meta |= {"target_variables": [target]} if target else {}
        needed = [*([target] if target else []), *features]
        size = CHUNK_ROWS if partial_fit else max(len(frame), 1)
        pieces = [(piece, self._call("/fit", model, piece, needed, meta)) for piece in chunks(frame, size)]
        self.keep_stub(model, meta["options"], features, target)
        merged = [merge(rows, result, target, output_name) for rows, result in pieces]
        return pd.concat(merged, ignore_index=True)

    def keep_stub(
        self, model: str, options: Mapping[str, Any], features: Sequence[str], target: str | None = None
    ) -> None:
        """Write the model's file, as after a fit; `options` hold the session key."""
        if UPLOAD not in self.capabilities:
            raise ToolkitError(f"the role may not save the model {model}: it lacks {UPLOAD}")
        path = self.app / "lookups" / f"__mlspl_{model}.mlmodel"
        path.parent.mkdir(exist_ok=True)
        path.write_text(codec.encode(options, list(features), target), encoding="utf-8")

    def apply(self, frame: pd.DataFrame, model: str, output_name: str | None = None, **params: str) -> pd.DataFrame:
        """``| apply app:model as output_name``."""
        path = self.app / "lookups" / f"__mlspl_{model}.mlmodel"
        text = path.read_text(encoding="utf-8")
        stub = codec.decode(text, lambda options: self.address(options["model_name"], options))
        options = stub.options | {"session_key": self.session_key}
        options |= {"params": params} if params else {}
        options |= {"output_name": output_name} if output_name else {}
        meta = {"options": options, "feature_variables": stub.feature_variables}
        merged = []
        for piece in chunks(frame, CHUNK_ROWS):
            result = self._call("/apply", model, piece, stub.feature_variables, meta)
            # By the decoder `target_variable` is always there, also as None.
            merged.append(merge(piece, result, str(stub.target_variable), output_name))
        return pd.concat(merged, ignore_index=True)

    def summary(self, model: str) -> dict[str, Any]:
        """``| summary app:model``: one row."""
        address = self.address(model)
        text = json.loads(self._open(address, "/summary", None, self.session_key))
        return {"summary": text, "name": model, "api_url_external": address.api_url_external}

    def _call(
        self, path: str, model: str, frame: pd.DataFrame, needed: Sequence[str], meta: dict[str, Any]
    ) -> pd.DataFrame | None:
        """Send what the search needs of `frame`; the results, or None where the container answers with a message."""
        data = frame[[name for name in frame.columns if name in needed]]
        if len(empty := data.columns[data.isna().all()]) and len(data):
            self.messages.append(("WARN", f"Dropping field(s) without any value: {', '.join(empty)}"))
            data = data.drop(columns=empty)
        body = json.dumps({"data": data.dropna().to_csv(index=False), "meta": meta}).encode()
        self.sent.append((path, meta))
        options = meta["options"]
        answer = json.loads(self._open(self.address(model, options), path, body, options["session_key"]))
        self.messages.append(("ERROR" if answer["status"] == "error" else "INFO", answer["message"]))
        return pd.read_csv(io.StringIO(answer["results"])) if "results" in answer else None

    def _open(self, address: Address, path: str, body: bytes | None, session_key: str) -> bytes:
        headers = {"Authorization": self.passwords[session_key], "Content-Type": "application/json"}
        request = urllib.request.Request(address.api_url + path, data=body, headers=headers)
        context = None
        if address.api_url.startswith("https://"):
            context = ssl.create_default_context(cafile=address.certificate or None)
            context.check_hostname = bool(address.certificate) and address.check_hostname
            if not address.certificate:
                context.verify_mode = ssl.CERT_NONE
            self.contexts.append(context)
        try:
            with urllib.request.urlopen(request, context=context) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ToolkitError(f"unable to read JSON response: HTTP {error.code}") from error


def read_conf(path: Path) -> configparser.RawConfigParser:
    """A conf file, as the toolkit reads it; it is empty when there is no file."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read(path, encoding="utf-8")
    return parser


def is_expected(text: str) -> bool:
    """Whether an answer of HTTP 200 makes a container Active."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return (isinstance(document, dict) and document.get("app") == APP) or APP in text


def chunks(frame: pd.DataFrame, rows: int) -> list[pd.DataFrame]:
    return [frame.iloc[start : start + rows] for start in range(0, max(len(frame), 1), rows)]


def merge(frame: pd.DataFrame, results: pd.DataFrame | None, target: str | None, name: str | None) -> pd.DataFrame:
    """Result columns beside the frame's by position; alone when the numbers of rows differ; without any, the rows."""
    if results is None:
        return frame
    columns = [str(column) for column in results.columns]
    if target is None:
        columns = [f"{name or 'predicted'}_{column}" for column in columns]
    else:
        columns[0] = name or f"predicted_{target}"
    named = results.set_axis(columns, axis="columns")
    if len(named) != len(frame):
        return named
    kept = frame.drop(columns=[column for column in columns if column in frame.columns])
    return pd.concat([kept.reset_index(drop=True), named], axis="columns")
