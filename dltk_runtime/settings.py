"""The only reader of the environment: one frozen dataclass, cast and checked once.

`VARIABLES` describes each variable for ``dltk serve --help`` and the table of settings in the docs.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dltk_runtime import cgroup
from dltk_runtime.errors import FULL_TEXTS, PLACE_ONLY, SettingInvalid, closest
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.scrub import MIN_SECRET_CHARACTERS
from dltk_runtime.secret_names import is_secret_variable, texts_of
from dltk_runtime.setting_types import (
    Variable,
    as_accepted_token,
    as_address,
    as_bytes,
    as_cluster,
    as_devices,
    as_duration,
    as_flag,
    as_hosts,
    as_model,
    as_models,
    as_names,
    as_natural,
    as_networks,
    as_password_hash,
    as_path,
    as_plain_hosts,
    as_port,
    as_positive,
    as_seconds,
    as_sent_token,
    as_share,
    as_store,
    as_text,
    as_umask,
    each_of,
    one_of,
    setting,
)
from dltk_runtime.units import GIB, MIB

TEXT_OR_HASH = "text without blanks, or sha256: and 64 hexadecimal digits"
HIDDEN = "***"  # in place of a secret
# Variables that the image and the server give to their own processes; DLTK_SECRETS_FD: to the API.
OWN_VARIABLES = {
    "DLTK_CODE",
    "DLTK_HIDDEN",
    "DLTK_LIBRARIES",
    "DLTK_READ_ONLY",
    "DLTK_SECRETS_FD",
    "DLTK_SPLUNK_FD",
    "DLTK_PICTURES",
    "DLTK_TOOLS_HOST",
    "DLTK_WORKER",
}
# What Kubernetes and Docker set in every container for a service that is named dltk.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT\w*)$|_PORT_\d+_(TCP|UDP)\w*$|_ENV_\w+$")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one server. Sizes are bytes, times seconds; 0 is a computed default where the help says so."""

    # protocol.md §3: the contract of a DSDL container
    api_token: str = setting(
        "api_token",
        "",
        TEXT_OR_HASH,
        as_accepted_token,
        "the token that every request must carry; needed. Its hash, sha256:…, does as well",
        secret=True,
    )
    api_workers: int = setting(
        "api_workers",
        1,
        "an integer from 1",
        as_positive,
        "worker processes that may serve one model at the same time",
    )
    https: bool | None = setting(
        "ENABLE_HTTPS",
        None,
        "true or false",
        as_flag,
        "TLS on or off; unset: on in the image, elsewhere off and then only on a loopback address",
    )
    tls_cert: Path | None = setting(
        "API_SSL_CERT", None, "a path", as_path, "certificate chain (PEM); unset: a self-signed one, made once per home"
    )
    tls_key: Path | None = setting("API_SSL_KEY", None, "a path", as_path, "its private key (PEM)")
    tls_names: tuple[str, ...] = setting(
        "DLTK_TLS_NAMES",
        (),
        "host names or addresses, several separated by commas",
        as_hosts,
        "names by which clients call this server, for its self-signed certificate, which also has localhost, the "
        "machine's name and DLTK_HOST",
    )
    mode: str = setting(
        "MODE_DEV_PROD",
        "PROD",
        "DEV or PROD",
        one_of("DEV", "PROD"),
        "in the image: PROD starts the API alone, DEV also JupyterLab, TensorBoard and MLflow",
    )
    jupyter_password: str = setting(
        "JUPYTER_PASSWD",
        "",
        "a hash as jupyter_server.auth.passwd() makes it",
        as_password_hash,
        "hash of JupyterLab's password; in the image JupyterLab does not start without it",
        secret=True,
    )
    jupyter_port: int = setting(
        "JUPYTER_PORT", 8888, "a port number (0-65535)", as_port, "port of JupyterLab in the image"
    )
    open_tools: bool = setting(
        "DLTK_OPEN_TOOLS",
        False,
        "true or false",
        as_flag,
        "in the image: whether TensorBoard (6006) and MLflow (6000) answer without a password, instead of only behind "
        "JupyterLab's",
    )
    splunk_access: bool = setting(
        "splunk_access_enabled", False, "1 or 0", as_flag, "whether notebooks may search in Splunk (dsdlsupport)"
    )
    splunk_host: str = setting("splunk_access_host", "", "text", as_text, "host of Splunk's REST API")
    splunk_port: int = setting(
        "splunk_access_port", 8089, "a port number (0-65535)", as_port, "port of Splunk's REST API"
    )
    splunk_token: str = setting("splunk_access_token", "", "text", as_text, "token for Splunk's REST API", secret=True)
    hec: bool = setting(
        "splunk_hec_enabled", False, "1 or 0", as_flag, "whether notebooks may send events to Splunk (dsdlsupport)"
    )
    hec_url: str = setting("splunk_hec_url", "", "text", as_text, "URL of the HTTP Event Collector")
    hec_token: str = setting("splunk_hec_token", "", "text", as_text, "token of the HTTP Event Collector", secret=True)
    splunk_cafile: Path | None = setting(
        "DLTK_SPLUNK_CAFILE",
        None,
        "a path",
        as_path,
        "certificates (PEM) to check Splunk's against; unset: the system's",
    )
    splunk_verify: bool = setting(
        "DLTK_SPLUNK_VERIFY", True, "true or false", as_flag, "whether Splunk's certificate is checked at all"
    )
    splunk_patience: float = setting(
        "DLTK_SPLUNK_PATIENCE",
        30.0,
        "seconds above 0",
        as_seconds,
        "how long a call is retried while Splunk does not answer or is busy",
    )
    events_index: str = setting(
        "DLTK_EVENTS_INDEX", "", "text", as_text, "index for the runtime's own events; unset: the token's default"
    )
    events_spool: int = setting(
        "DLTK_EVENTS_SPOOL",
        64 * MIB,
        "a size such as 64M",
        as_bytes,
        "disk space for events that Splunk has not accepted yet; events beyond it are dropped and counted",
    )
    tracing: bool = setting(
        "olly_enabled", False, "1 or 0", as_flag, "whether requests are traced, by splunk-opentelemetry"
    )
    tracking_uri: str = setting(
        "MLFLOW_TRACKING_URI",
        "",
        "an address",
        as_text,
        "MLflow server that gets a run for each fit and a model version for each version; unset: none, and in the "
        "image's DEV its own",
    )
    tracking_user: str = setting("MLFLOW_TRACKING_USERNAME", "", "text", as_text, "user of the MLflow server")
    tracking_password: str = setting(
        "MLFLOW_TRACKING_PASSWORD", "", "text", as_text, "password of the MLflow server", secret=True
    )
    tracking_token: str = setting(
        "MLFLOW_TRACKING_TOKEN", "", "text", as_text, "token of the MLflow server", secret=True
    )
    tracking_spool: int = setting(
        "DLTK_TRACKING_SPOOL",
        256 * MIB,
        "a size such as 256M",
        as_bytes,
        "disk space for runs that the MLflow server has not taken yet; runs beyond it are dropped and counted",
    )
    # ours
    admin_token: str = setting(
        "DLTK_ADMIN_TOKEN",
        "",
        TEXT_OR_HASH,
        as_accepted_token,
        "token that changes under /v1 need, or its hash, sha256:…; unset: the api_token",
        secret=True,
    )
    tokens_file: Path | None = setting(
        "DLTK_TOKENS_FILE",
        None,
        "a path",
        as_path,
        "file of named tokens with rights, as `dltk tokens` writes it; read again when it changes; unset: none",
    )
    proxy_addresses: tuple[str, ...] = setting(
        "DLTK_PROXY_ADDRESSES",
        (),
        "addresses or networks such as 10.0.0.0/24, several separated by commas",
        as_networks,
        "proxies that sign people in, whose DLTK_PROXY_HEADER names the person; it counts from these addresses alone",
    )
    proxy_header: str = setting(
        "DLTK_PROXY_HEADER", "X-Forwarded-User", "text", as_text, "header in which a proxy names the person"
    )
    proxy_rights: tuple[str, ...] = setting(
        "DLTK_PROXY_RIGHTS",
        ("read",),
        "read, promote or admin, several separated by commas",
        each_of("read", "promote", "admin"),
        "what people may do in the console who are signed in by a proxy",
    )
    others_models: str = setting(
        "DLTK_OTHERS_MODELS",
        "warn",
        "warn or refuse",
        one_of("warn", "refuse"),
        "what a fit into a model gets whose last version was fitted with another token: a warning, or a refusal",
    )
    open_metrics: bool = setting(
        "DLTK_OPEN_METRICS", False, "true or false", as_flag, "serve /metrics without the token"
    )
    console: bool = setting(
        "DLTK_CONSOLE", True, "true or false", as_flag, "pages for a browser under /ui, after signing in with a token"
    )
    home: Path = setting(
        "DLTK_HOME", Path(".dltk"), "a path", as_path, "models, jobs, graphics, certificates; /srv in the image"
    )
    notebooks: Path = setting(
        "DLTK_NOTEBOOKS", Path("notebooks"), "a path", as_path, "the notebooks' folder; /srv/notebooks in the image"
    )
    store: str = setting(
        "DLTK_STORE",
        "",
        "s3://bucket/folder, gs://bucket/folder or az://account/container/folder",
        as_store,
        "object store for the versions of models, in place of a folder of DLTK_HOME; unset: that folder",
    )
    umask: int = setting(
        "DLTK_UMASK",
        0o077,
        "an octal number such as 077",
        as_umask,
        "rights that new files lack, as for the command umask; unset: 077, files are their owner's alone; 007 in the "
        "image, where users differ and group 0 does not",
    )
    compiled: bool = setting(
        "DLTK_COMPILED",
        True,
        "true or false",
        as_flag,
        "whether compiled code reads and writes the numbers of large tables, where `make setup` or the image built it",
    )
    hide_files: bool = setting(
        "DLTK_HIDE_FILES",
        True,
        "true or false",
        as_flag,
        "whether workers and kernels are kept from files of secrets, where the kernel has Landlock",
    )
    host: str = setting("DLTK_HOST", "127.0.0.1", "an address", as_text, "address to listen on; 0.0.0.0 in the image")
    port: int = setting("DLTK_PORT", 5000, "a port number (0-65535), 0 for a free one", as_port, "port to listen on")
    max_connections: int = setting(
        "DLTK_MAX_CONNECTIONS",
        4096,
        "an integer from 1",
        as_positive,
        "connections at the same time, an eighth of them without an accepted token; the oldest of these makes room for "
        "a new one",
    )
    max_unknown: int = setting(
        "DLTK_MAX_UNKNOWN",
        128,
        "an integer from 1",
        as_positive,
        "connections of one address (IPv6: one /64) without an accepted token, unless it has sent one in the last 10 "
        "minutes; the oldest makes room for a new one",
    )
    head_timeout: float = setting(
        "DLTK_HEAD_TIMEOUT",
        20.0,
        "seconds above 0",
        as_seconds,
        "time for a TLS handshake and the head of a request; also how long a connection may send nothing at all",
    )
    body_timeout: float = setting(
        "DLTK_BODY_TIMEOUT",
        60.0,
        "seconds above 0",
        as_seconds,
        "time for a whole body without an accepted token; with one, the time over which DLTK_BODY_RATE is measured",
    )
    body_rate: int = setting(
        "DLTK_BODY_RATE",
        1024,
        "a size such as 1K",
        as_bytes,
        "bytes a second that a body with an accepted token brings at least; 0: no minimum",
    )
    max_body: int = setting("DLTK_MAX_BODY", 2 * GIB, "a size such as 512M", as_bytes, "largest request body")
    apply_workers: int = setting(
        "DLTK_APPLY_WORKERS",
        0,
        "an integer from 0",
        as_natural,
        "worker processes kept for apply, all models together; 0: one for each GiB of memory, 2 to 16",
    )
    fit_workers: int = setting(
        "DLTK_FIT_WORKERS",
        0,
        "an integer from 0",
        as_natural,
        "fits that run at the same time, beside those that have a GPU; 0: cores + 1, "
        "with the cores that affinity and the cgroup's quota allow",
    )
    gpus: str = setting(
        "DLTK_GPUS",
        "auto",
        "auto, none, or devices as CUDA_VISIBLE_DEVICES names them (0,1)",
        as_devices,
        "GPUs for notebooks, each for one fit at a time; auto: those that CUDA_VISIBLE_DEVICES and the driver show",
    )
    max_waiting: int = setting(
        "DLTK_MAX_WAITING",
        64,
        "an integer from 0",
        as_natural,
        "requests that may wait for one algorithm; further ones are refused",
    )
    apply_timeout: float = setting(
        "DLTK_APPLY_TIMEOUT", 600.0, "seconds above 0", as_seconds, "deadline of one apply, waiting included"
    )
    fit_timeout: float = setting(
        "DLTK_FIT_TIMEOUT", 86400.0, "seconds above 0", as_seconds, "deadline of one fit, from the start of its process"
    )
    worker_memory: int = setting(
        "DLTK_WORKER_MEMORY",
        0,
        "a size such as 4G",
        as_bytes,
        "memory of one worker and its children; 0: 80% of the container's limit",
    )
    apply_threads: int = setting(
        "DLTK_APPLY_THREADS",
        1,
        "an integer from 1",
        as_positive,
        "threads of numeric libraries in an apply worker",
    )
    fit_threads: int = setting(
        "DLTK_FIT_THREADS", 0, "an integer from 0", as_natural, "the same in a fit worker; 0: cores - 1, at least 1"
    )
    spares: int = setting(
        "DLTK_SPARES", 2, "an integer from 0", as_natural, "worker processes held ready with their imports done"
    )
    preload: tuple[ModelName, ...] = setting(
        "DLTK_PRELOAD",
        (),
        "algorithm/model, several separated by commas",
        as_models,
        "models that are loaded before /readyz answers 200",
    )
    forecaster: ModelName = setting(
        "DLTK_FORECASTER",
        ModelName("seasonal_ets", "default"),
        "algorithm/model",
        as_model,
        "model that answers the AI Toolkit's apply CDTSM; without a version, what its notebook's load() returns",
    )
    scoring_model: ModelName | None = setting(
        "DLTK_SCORING_MODEL",
        None,
        "algorithm/model",
        as_model,
        "model that /invocations means where its address has no ?model=algorithm.model",
    )
    mcp: bool = setting(
        "DLTK_MCP", False, "true or false", as_flag, "whether agents may list, describe and apply models at /mcp"
    )
    mcp_hosts: tuple[str, ...] = setting(
        "DLTK_MCP_HOSTS",
        ("127.0.0.1", "localhost", "::1"),
        "host names and addresses, separated by commas",
        as_plain_hosts,
        "hosts that the Host and Origin headers of requests to /mcp may name",
    )
    max_queued: int = setting(
        "DLTK_MAX_QUEUED",
        100,
        "an integer from 1",
        as_positive,
        "asynchronous fits (mode=async) that may wait, on all replicas",
    )
    fit_retries: int = setting(
        "DLTK_FIT_RETRIES",
        2,
        "an integer from 0",
        as_natural,
        "how often an asynchronous fit is started again after the server that ran it has ended",
    )
    cluster: str = setting(
        "DLTK_CLUSTER",
        "",
        "auto, or host:port of a Ray cluster's head",
        as_cluster,
        "Ray cluster on whose nodes fits may run, too; auto: the one whose node runs on this machine; unset: none",
    )
    cluster_closed: bool = setting(
        "DLTK_CLUSTER_CLOSED",
        False,
        "true or false",
        as_flag,
        "whether nobody else can reach or read the network between the machines of the cluster; needed where Ray does "
        "not encrypt (RAY_USE_TLS)",
    )
    hangup: str = setting(
        "DLTK_HANGUP",
        "continue",
        "continue or cancel",
        one_of("continue", "cancel"),
        "whether a fit goes on when its search hangs up, as Splunk does after max_fit_time",
    )
    grace: float = setting(
        "DLTK_GRACE",
        10.0,
        "seconds above 0",
        as_seconds,
        "time that running requests and fits have to end after SIGTERM",
    )
    drain: float = setting(
        "DLTK_DRAIN",
        3.0,
        "seconds from 0",
        as_duration,
        "the first part of DLTK_GRACE, in which /readyz answers 503 and new requests are still taken",
    )
    refuse_missing: bool = setting(
        "DLTK_REFUSE_MISSING",
        False,
        "true or false",
        as_flag,
        "refuse an apply that lacks a feature, instead of warning",
    )
    refuse_unknown: bool = setting(
        "DLTK_REFUSE_UNKNOWN",
        False,
        "true or false",
        as_flag,
        "refuse a fit with a `mode` that is unknown, or a parameter that its notebook does not declare, instead of "
        "warning",
    )
    code: str = setting(
        "DLTK_VERSION_CODE",
        "auto",
        "auto, pinned or live",
        one_of("auto", "pinned", "live"),
        "code that applies run: that of the version (pinned) or the notebook's (live); auto: pinned where "
        "MODE_DEV_PROD is PROD, live where it is DEV. `dltk models pin` decides for one model",
    )
    notebook_secrets: tuple[str, ...] = setting(
        "DLTK_NOTEBOOK_SECRETS",
        (),
        "names of variables, separated by commas, and not those of the server's own secrets",
        as_names,
        "secrets that notebooks get as variables of their environment; the value of NAME is in the variable NAME, or "
        "in the file that NAME_file names",
    )
    holdout: float = setting(
        "DLTK_HOLDOUT",
        0.0,
        "a share of the rows, from 0 to below 1",
        as_share,
        "share of the rows kept from each fit with a target; `holdout=` in a search overrides it",
    )
    keep_versions: int = setting(
        "DLTK_KEEP_VERSIONS",
        5,
        "an integer from 1",
        as_positive,
        "newest versions kept of each model, beside the current one",
    )
    keep_jobs: int = setting("DLTK_KEEP_JOBS", 1000, "an integer from 1", as_positive, "newest job records kept")
    error_texts: str = setting(
        "DLTK_ERROR_TEXTS",
        FULL_TEXTS,
        "full or place",
        one_of(FULL_TEXTS, PLACE_ONLY),
        "what log, job records and events keep of an exception: text and traceback too, or only type, cell and line",
    )
    keep_values: bool = setting(
        "DLTK_KEEP_VALUES",
        True,
        "true or false",
        as_flag,
        "whether versions keep the most common values of text fields, by which drift is measured; false: their hashes",
    )
    log_bytes: int = setting(
        "DLTK_LOG_BYTES",
        MIB,
        "a size such as 1M",
        as_bytes,
        "size of a job's log: half of it from the start of the printed text, half from the end",
    )
    log_level: str = setting(
        "DLTK_LOG_LEVEL",
        "info",
        "debug, info, warning or error",
        one_of("debug", "info", "warning", "error"),
        "the least severe lines of the server's log that are written",
    )
    shadow: str = setting(
        "DLTK_SHADOW",
        "",
        "an address such as https://old:5000, without user, password or query",
        as_address,
        "the old container: it answers every fit, apply, summary and picture, and ours are only compared with its",
    )
    shadow_token: str = setting(
        "DLTK_SHADOW_TOKEN",
        "",
        "the token itself, text without blanks",
        as_sent_token,
        "the old container's token; unset: the one that the client sent",
        secret=True,
    )
    shadow_cafile: Path | None = setting(
        "DLTK_SHADOW_CAFILE",
        None,
        "a path",
        as_path,
        "certificates (PEM) to check the old container's against; unset: the system's",
    )
    shadow_verify: str = setting(
        "DLTK_SHADOW_VERIFY",
        "full",
        "full, certificate or none",
        one_of("full", "certificate", "none"),
        "what is checked of the old container's certificate: certificate leaves its host name out",
    )
    shadow_repeat: bool = setting(
        "DLTK_SHADOW_REPEAT",
        False,
        "true or false",
        as_flag,
        "whether one fit and one apply of each model are sent to the old container twice, to tell noise from "
        "differences; a search may then wait for them",
    )
    shadow_queue: int = setting(
        "DLTK_SHADOW_QUEUE",
        256 * MIB,
        "a size such as 256M",
        as_bytes,
        "memory for requests that are not compared yet; further ones are not compared",
    )
    shadow_rows: int = setting(
        "DLTK_SHADOW_ROWS",
        100_000,
        "an integer from 1",
        as_positive,
        "rows of a request beyond which it is not compared",
    )
    shadow_disk: int = setting(
        "DLTK_SHADOW_DISK", 16 * MIB, "a size such as 16M", as_bytes, "disk space for the figures of comparisons"
    )
    text: str = setting(
        "DLTK_TEXT",
        "object",
        "object or string",
        one_of("object", "string"),
        "dtype of text columns in the frames that notebooks get",
    )

    notebook_values: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of `notebook_secrets`, if set

    @property
    def paths(self) -> Paths:
        return Paths(self.home.absolute(), self.notebooks.absolute(), objects=self.store)

    @property
    def pins_code(self) -> bool:
        """Whether applies run the code of their version, where nothing was chosen for the model."""
        return self.code == "pinned" or (self.code == "auto" and self.mode == "PROD")

    def notebook_secret_texts(self) -> list[str]:
        """Return all texts by which the secrets of notebooks can be recognised."""
        return [
            text for text in texts_of(value for _, value in self.notebook_values) if len(text) >= MIN_SECRET_CHARACTERS
        ]

    @property
    def fit_slots(self) -> int:
        """Number of fits that run at the same time."""
        return self.fit_workers or cores() + 1

    @property
    def gpu_names(self) -> tuple[str, ...] | None:
        """GPUs that workers may use; None for all that the driver shows."""
        text = self.gpus if self.gpus != "auto" else os.environ.get("CUDA_VISIBLE_DEVICES")
        if text is None:
            return None
        names = (name.strip() for name in text.split(","))  # CUDA, too, stops at the first invalid name
        return tuple(itertools.takewhile(lambda name: name not in ("", "none", "-1", "NoDevFiles"), names))

    @property
    def threads_of_fit(self) -> int:
        """Threads of numeric libraries in a fit worker, which leaves one core to applies."""
        return self.fit_threads or max(1, cores() - 1)

    def shown(self) -> dict[str, str]:
        """Return all settings by variable, for logs: without secrets, and without URLs that hold a password."""
        return {variable.name: _shown(variable, getattr(self, name)) for name, variable in VARIABLES.items()}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Return the settings in `environ` (default: the process's), overlaid by `given` values that are not None.

        An empty variable counts as unset. A ``<secret>_file`` variable names a file that holds the secret.

        Raises:
            SettingInvalid: naming the variable, its value (unless secret) and what is expected.
        """
        environ = os.environ if environ is None else environ
        values = {
            name: _cast(variable, text) for name, variable in VARIABLES.items() if (text := _lookup(variable, environ))
        }
        made = cls(**values | {name: value for name, value in given.items() if value is not None})
        found = ((name, secret(name, environ)) for name in made.notebook_secrets)
        return replace(made, notebook_values=tuple((name, value) for name, value in found if value))


def cores() -> int:
    """Return the number of processors that this process may use.

    A share of one counts as a whole one: half a processor still runs one fit.
    """
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup.processors()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The container that ``dltk search`` and other client commands call, and the token."""

    url: str = setting(
        "DLTK_URL", "http://127.0.0.1:5000", "an address", as_text, "address of the container that clients call"
    )
    token: str = setting(
        "DLTK_TOKEN",
        "",
        "the token itself, text without blanks; not its hash, which may be in api_token",
        as_sent_token,
        "its token for clients; unset: the one in api_token",
        secret=True,
    )
    cafile: Path | None = setting(
        "DLTK_CAFILE",
        None,
        "a path",
        as_path,
        "certificate (PEM) to check the container's against; unset: the system's",
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: str | None) -> ClientSettings:
        """As `Settings.from_env`, from texts; without a token, the container's own `api_token` is used.

        Raises:
            SettingInvalid: as `Settings.from_env`.
        """
        environ = os.environ if environ is None else environ
        texts = {name: _lookup(variable, environ) for name, variable in CLIENT_VARIABLES.items()}
        texts["token"] = texts["token"] or _lookup(VARIABLES["api_token"], environ)
        texts |= {name: text for name, text in given.items() if text is not None}
        return cls(**{name: _cast(CLIENT_VARIABLES[name], text) for name, text in texts.items() if text})


VARIABLES: dict[str, Variable] = {
    each.name: each.metadata["variable"] for each in fields(Settings) if "variable" in each.metadata
}
CLIENT_VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(ClientSettings)}


def unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with the nearest setting or ""."""
    variables = [*VARIABLES.values(), *CLIENT_VARIABLES.values()]
    known = {each.name for each in variables} | {each.name + "_file" for each in variables if each.secret}
    environ = os.environ if environ is None else environ
    found = (name for name in environ if name.upper().startswith("DLTK_") and name not in known | OWN_VARIABLES)
    spelt = {name.upper(): name for name in known}
    wrong = sorted(name for name in found if not _SERVICE_LINK.search(name))
    return {name: spelt.get(closest(name.upper(), spelt) or "", "") for name in wrong}


def _shown(variable: Variable, value: Any) -> str:
    if value is None or value == "":
        return ""
    if variable.secret:
        return HIDDEN
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return HIDDEN if is_secret_variable("", text) else text


def _lookup(variable: Variable, environ: Mapping[str, str]) -> str:
    if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file")):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingInvalid(variable.name + "_file", file, f"a file that can be read ({error})") from error
    return environ.get(variable.name, "")


def secret_files(environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Return the files of those secret settings that a ``<secret>_file`` variable gives, by field."""
    environ = os.environ if environ is None else environ
    return {
        name: Path(file)
        for name, variable in VARIABLES.items()
        if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file"))
    }


def secret_in(name: str, file: Path) -> str:
    """Return a secret setting from its file; `name` is its field.

    Raises:
        SettingInvalid: there is no valid secret in it.
    """
    variable = VARIABLES[name]
    text = str(_cast(variable, _lookup(variable, {variable.name + "_file": str(file)})))
    if not text:
        raise SettingInvalid(variable.name + "_file", str(file), "a file that is not empty")
    return text


def umask(environ: Mapping[str, str] | None = None) -> int:
    """Return the setting ``DLTK_UMASK`` alone, for commands that read no others.

    Raises:
        SettingInvalid: as `Settings.from_env`.
    """
    environ = os.environ if environ is None else environ
    name = VARIABLES["umask"].name
    return Settings.from_env({name: environ[name]} if name in environ else {}).umask


def keeps_values(environ: Mapping[str, str] | None = None) -> bool:
    """Return the setting ``DLTK_KEEP_VALUES`` alone, for workers.

    Raises:
        SettingInvalid: as `Settings.from_env`.
    """
    environ = os.environ if environ is None else environ
    name = VARIABLES["keep_values"].name
    return Settings.from_env({name: environ[name]} if name in environ else {}).keep_values


def secret(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return a secret that a batch run names: the variable of that name, or the content of the file in ``<name>_file``.

    Raises:
        SettingInvalid: that file cannot be read.
    """
    variable = Variable(name, "text", as_text, "", secret=True)
    return _lookup(variable, os.environ if environ is None else environ) or None


def _cast(variable: Variable, text: str) -> Any:
    try:
        return variable.cast(text)
    except (ValueError, KeyError, RuntimeError) as error:  # RuntimeError: ~name without such a user
        raise SettingInvalid(variable.name, "***" if variable.secret else text, variable.wanted) from error


def worker_paths(environ: Mapping[str, str] | None = None) -> Paths:
    """Return the folders of a worker, its children or a kernel, from ``DLTK_HOME`` and ``DLTK_NOTEBOOKS``."""
    environ = os.environ if environ is None else environ
    names = {name: environ[name] for name in ("DLTK_HOME", "DLTK_NOTEBOOKS") if name in environ}
    paths = Settings.from_env(names).paths
    pictures = environ.get("DLTK_PICTURES")  # set by `CodeFinder.install` and batch runs, never by a user
    return Paths(paths.home, paths.notebooks, as_path(pictures)) if pictures else paths


def code_location(environ: Mapping[str, str] | None = None) -> tuple[Paths, Path | None]:
    """Return where a worker's children and kernels import notebooks from: folders, and a version's ``code.json``."""
    environ = os.environ if environ is None else environ
    code = environ.get("DLTK_CODE")  # set by `CodeFinder.install`, never by a user
    return worker_paths(environ), as_path(code) if code else None
