"""The only reader of the environment: one frozen dataclass, cast and checked once.

`VARIABLES` describes each variable for ``dltk serve --help`` and the README's table.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dltk_runtime.errors import NameInvalid, SettingInvalid
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths

MIB = 1024**2
GIB = 1024**3


SITE = Path(__file__).with_name("site")  # what notebooks import: app, dsdlsupport
# Headers too: splunk-opentelemetry puts its token into OTEL_EXPORTER_OTLP_HEADERS.
_SECRET = re.compile("token|passw|secret|credential|key|llm_config|headers", re.IGNORECASE)
# Traces alone, since logs repeat what notebooks print; and a collector that is away must not hold up the server's end.
_TRACING = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: its name, what it must be, and what it does."""

    name: str
    wanted: str
    cast: Callable[[str], Any]
    help: str
    secret: bool = False


def _text(value: str) -> str:
    return value


def _token(value: str) -> str:
    """A token goes into an HTTP header as it is."""
    if not all("!" <= character <= "~" for character in value):
        raise ValueError
    return value


def _password_hash(value: str) -> str:
    """``argon2:…`` or ``sha256:salt:digest``: a password as it is would let nobody in."""
    if not re.fullmatch(r"argon2:\$argon2.+|[a-z0-9]+:[0-9a-f]+:[0-9a-f]+", value):
        raise ValueError
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _flag(value: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.strip().lower()]


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def _natural(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _bytes(value: str) -> int:
    """``2048``, ``512M``, ``2GiB``."""
    text = value.strip().upper().removesuffix("B").removesuffix("I")
    factor = {"K": 1024, "M": MIB, "G": GIB}.get(text[-1:], 1)
    number = float(text[:-1] if factor > 1 else text)
    if not 0 <= number < 2**60:
        raise ValueError
    return int(number * factor)


def _models(value: str) -> tuple[ModelName, ...]:
    """``pytorch_nn/iris, umap/map``."""
    pairs = [each.strip().split("/") for each in value.split(",") if each.strip()]
    try:
        return tuple(ModelName(*pair) for pair in pairs)
    except (NameInvalid, TypeError) as error:
        raise ValueError from error


def _devices(value: str) -> str:
    """Indexes as ``nvidia-smi`` shows them, or UUIDs of GPUs or of parts of them (MIG)."""
    text = value.strip()
    if text.lower() in ("auto", "none"):
        return text.lower()
    if not re.fullmatch(r"(\d+|(GPU|MIG)-[0-9A-Za-z/-]+)(\s*,\s*(\d+|(GPU|MIG)-[0-9A-Za-z/-]+))*", text):
        raise ValueError
    return re.sub(r"\s", "", text)


def _one_of(*values: str) -> Callable[[str], str]:
    def cast(value: str) -> str:
        return {each.lower(): each for each in values}[value.strip().lower()]

    return cast


def _setting(
    name: str, default: Any, wanted: str, cast: Callable[[str], Any], help: str, *, secret: bool = False
) -> Any:
    return field(default=default, repr=not secret, metadata={"variable": Variable(name, wanted, cast, help, secret)})


@dataclass(frozen=True, slots=True)
class Settings:
    """What one server runs with. Sizes are bytes, times are seconds; 0 means "work it out" where the help says so."""

    # protocol.md §3: the contract of a DSDL container
    api_token: str = _setting(
        "api_token", "", "text without blanks", _token, "the token that every request must carry; needed", secret=True
    )
    api_workers: int = _setting(
        "api_workers",
        1,
        "a whole number from 1 on",
        _positive,
        "worker processes that may serve one model at the same time",
    )
    https: bool | None = _setting(
        "ENABLE_HTTPS",
        None,
        "true or false",
        _flag,
        "TLS on or off; unset: on in the image, elsewhere off and then only on a loopback address",
    )
    tls_cert: Path | None = _setting(
        "API_SSL_CERT", None, "a path", _path, "certificate chain (PEM); unset: a self-signed one, made once per home"
    )
    tls_key: Path | None = _setting("API_SSL_KEY", None, "a path", _path, "its private key (PEM)")
    mode: str = _setting(
        "MODE_DEV_PROD",
        "PROD",
        "DEV or PROD",
        _one_of("DEV", "PROD"),
        "in the image: PROD starts the API alone, DEV also JupyterLab, TensorBoard and MLflow",
    )
    jupyter_password: str = _setting(
        "JUPYTER_PASSWD",
        "",
        "a hash as jupyter_server.auth.passwd() makes it",
        _password_hash,
        "hash of JupyterLab's password; in the image JupyterLab does not start without",
        secret=True,
    )
    jupyter_port: int = _setting("JUPYTER_PORT", 8888, "a port", _port, "port of JupyterLab in the image")
    open_tools: bool = _setting(
        "DLTK_OPEN_TOOLS",
        False,
        "true or false",
        _flag,
        "in the image: whether TensorBoard (6006) and MLflow (6000) answer everybody, instead of behind JupyterLab's "
        "password alone",
    )
    splunk_access: bool = _setting(
        "splunk_access_enabled", False, "1 or 0", _flag, "whether notebooks may search in Splunk (dsdlsupport)"
    )
    splunk_host: str = _setting("splunk_access_host", "", "text", _text, "host of Splunk's REST API")
    splunk_port: int = _setting("splunk_access_port", 8089, "a port", _port, "port of Splunk's REST API")
    splunk_token: str = _setting("splunk_access_token", "", "text", _text, "token for Splunk's REST API", secret=True)
    hec: bool = _setting(
        "splunk_hec_enabled", False, "1 or 0", _flag, "whether notebooks may send events to Splunk (dsdlsupport)"
    )
    hec_url: str = _setting("splunk_hec_url", "", "text", _text, "URL of the HTTP Event Collector")
    hec_token: str = _setting("splunk_hec_token", "", "text", _text, "token of the HTTP Event Collector", secret=True)
    splunk_cafile: Path | None = _setting(
        "DLTK_SPLUNK_CAFILE", None, "a path", _path, "certificates (PEM) to check Splunk's against; unset: the system's"
    )
    splunk_verify: bool = _setting(
        "DLTK_SPLUNK_VERIFY", True, "true or false", _flag, "whether Splunk's certificate is checked at all"
    )
    splunk_patience: float = _setting(
        "DLTK_SPLUNK_PATIENCE",
        30.0,
        "seconds above 0",
        _seconds,
        "for how long a call is tried again while Splunk does not answer or is busy",
    )
    events_index: str = _setting(
        "DLTK_EVENTS_INDEX", "", "text", _text, "index for the runtime's own events; unset: the token's default"
    )
    events_spool: int = _setting(
        "DLTK_EVENTS_SPOOL",
        64 * MIB,
        "a size such as 64M",
        _bytes,
        "disk space for events that Splunk does not take yet; those beyond it are dropped and counted",
    )
    tracing: bool = _setting(
        "olly_enabled", False, "1 or 0", _flag, "whether requests are traced, by splunk-opentelemetry"
    )
    # ours
    admin_token: str = _setting(
        "DLTK_ADMIN_TOKEN",
        "",
        "text without blanks",
        _token,
        "token that changes under /v1 need; unset: the api_token",
        secret=True,
    )
    open_metrics: bool = _setting(
        "DLTK_OPEN_METRICS", False, "true or false", _flag, "serve /metrics without the token"
    )
    home: Path = _setting(
        "DLTK_HOME", Path(".dltk"), "a path", _path, "models, jobs, graphics, certificates; /srv in the image"
    )
    notebooks: Path = _setting(
        "DLTK_NOTEBOOKS", Path("notebooks"), "a path", _path, "the notebooks' folder; /srv/notebooks in the image"
    )
    host: str = _setting("DLTK_HOST", "127.0.0.1", "an address", _text, "address to listen on; 0.0.0.0 in the image")
    port: int = _setting("DLTK_PORT", 5000, "a port, 0 for a free one", _port, "port to listen on")
    max_body: int = _setting("DLTK_MAX_BODY", 2 * GIB, "a size such as 512M", _bytes, "largest request")
    apply_workers: int = _setting(
        "DLTK_APPLY_WORKERS",
        0,
        "a whole number",
        _natural,
        "worker processes kept for apply, all models together; 0: one for each GiB of memory, 2 to 16",
    )
    fit_workers: int = _setting(
        "DLTK_FIT_WORKERS",
        0,
        "a whole number",
        _natural,
        "fits that run at the same time, beside those that have a GPU; 0: cores + 1",
    )
    gpus: str = _setting(
        "DLTK_GPUS",
        "auto",
        "auto, none, or devices as CUDA_VISIBLE_DEVICES names them (0,1)",
        _devices,
        "GPUs for notebooks, each for one fit at a time; auto: those that CUDA_VISIBLE_DEVICES and the driver show",
    )
    max_waiting: int = _setting(
        "DLTK_MAX_WAITING",
        64,
        "a whole number",
        _natural,
        "requests that may wait for one algorithm; further ones are refused",
    )
    apply_timeout: float = _setting(
        "DLTK_APPLY_TIMEOUT", 600.0, "seconds above 0", _seconds, "deadline of one apply, waiting included"
    )
    fit_timeout: float = _setting(
        "DLTK_FIT_TIMEOUT", 86400.0, "seconds above 0", _seconds, "deadline of one fit, from the start of its process"
    )
    worker_memory: int = _setting(
        "DLTK_WORKER_MEMORY",
        0,
        "a size such as 4G",
        _bytes,
        "memory of one worker and its children; 0: 80% of the container's limit",
    )
    apply_threads: int = _setting(
        "DLTK_APPLY_THREADS",
        1,
        "a whole number from 1 on",
        _positive,
        "threads of numeric libraries in an apply worker",
    )
    fit_threads: int = _setting(
        "DLTK_FIT_THREADS", 0, "a whole number", _natural, "the same in a fit worker; 0: cores - 1, at least 1"
    )
    spares: int = _setting(
        "DLTK_SPARES", 2, "a whole number", _natural, "worker processes held ready with their imports done"
    )
    preload: tuple[ModelName, ...] = _setting(
        "DLTK_PRELOAD",
        (),
        "algorithm/model, with commas between several",
        _models,
        "models that are loaded before /readyz says yes",
    )
    max_queued: int = _setting(
        "DLTK_MAX_QUEUED", 100, "a whole number from 1 on", _positive, "asynchronous fits (mode=async) that may wait"
    )
    hangup: str = _setting(
        "DLTK_HANGUP",
        "continue",
        "continue or cancel",
        _one_of("continue", "cancel"),
        "what becomes of a fit whose search hangs up, as Splunk does after max_fit_time",
    )
    grace: float = _setting(
        "DLTK_GRACE", 10.0, "seconds above 0", _seconds, "time that running requests and fits have to end after SIGTERM"
    )
    refuse_missing: bool = _setting(
        "DLTK_REFUSE_MISSING", False, "true or false", _flag, "refuse an apply that lacks a feature, instead of warning"
    )
    keep_versions: int = _setting(
        "DLTK_KEEP_VERSIONS",
        5,
        "a whole number from 1 on",
        _positive,
        "newest versions kept of each model, beside the current one",
    )
    keep_jobs: int = _setting("DLTK_KEEP_JOBS", 1000, "a whole number from 1 on", _positive, "newest job records kept")
    log_bytes: int = _setting(
        "DLTK_LOG_BYTES",
        MIB,
        "a size such as 1M",
        _bytes,
        "what a job's log keeps of the printed text: half of it from the start, half from the end",
    )
    text: str = _setting(
        "DLTK_TEXT",
        "object",
        "object or string",
        _one_of("object", "string"),
        "dtype of text columns in the frames that notebooks get",
    )

    @property
    def paths(self) -> Paths:
        return Paths(self.home.absolute(), self.notebooks.absolute())

    @property
    def fit_slots(self) -> int:
        """Fits that run at the same time."""
        return self.fit_workers or cores() + 1

    @property
    def gpu_names(self) -> tuple[str, ...] | None:
        """The GPUs that workers may use; None for all that the driver shows."""
        text = self.gpus if self.gpus != "auto" else os.environ.get("CUDA_VISIBLE_DEVICES")
        if text is None:
            return None
        names = (name.strip() for name in text.split(","))  # CUDA too stops at the first that is none
        return tuple(itertools.takewhile(lambda name: name not in ("", "none", "-1", "NoDevFiles"), names))

    @property
    def threads_of_fit(self) -> int:
        """Threads of numeric libraries in a fit worker: one core is left to applies."""
        return self.fit_threads or max(1, cores() - 1)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """The settings in `environ` (default: the process's), overlaid by `given` values that are not None.

        An empty variable counts as unset. A ``<secret>_file`` variable names a file that holds the secret.

        Raises:
            SettingInvalid: naming variable, value (secrets excepted) and what is wanted.
        """
        environ = os.environ if environ is None else environ
        values = {
            name: _cast(variable, text) for name, variable in VARIABLES.items() if (text := _lookup(variable, environ))
        }
        return cls(**values | {name: value for name, value in given.items() if value is not None})


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def prepare_tracing(environ: MutableMapping[str, str] | None = None) -> None:
    """Set what OpenTelemetry's own variables leave open, before it reads them."""
    environ = os.environ if environ is None else environ
    for name, value in _TRACING.items():
        environ.setdefault(name, value)


def worker_environment(settings: Settings, threads: int) -> dict[str, str]:
    """The environment of a worker: this process's without its secrets, plus what notebooks rely on.

    Thread counts are read by the numeric libraries when they are imported, so they must stand here.
    """
    environ = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    search_path = [str(SITE), *filter(None, [environ.get("PYTHONPATH")])]
    defaults = {
        "MPLBACKEND": "Agg",  # no display
        "TF_CPP_MIN_LOG_LEVEL": "2",  # warnings and errors
        # glibc else hands the memory of every table back to the kernel, and gets it anew, zeroed, for the next one.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
        "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # models share a GPU
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts, whose indexes people write into settings
    }
    no_gpu = {"CUDA_VISIBLE_DEVICES": ""} if settings.gpu_names == () else {}
    fixed = {
        **no_gpu,
        "DLTK_HOME": str(settings.paths.home),
        "DLTK_NOTEBOOKS": str(settings.paths.notebooks),
        "PYTHONPATH": os.pathsep.join(search_path),
        "PANDAS_FUTURE_INFER_STRING": "1" if settings.text == "string" else "0",
        # torch.load of whole models, which published notebooks use: the files come from our own store.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    return {**defaults, **environ, **fixed, **dict.fromkeys(_THREADS, str(threads))}


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Which container ``dltk search`` and its relatives call, and with which token."""

    url: str = _setting(
        "DLTK_URL", "http://127.0.0.1:5000", "an address", _text, "address of the container that clients call"
    )
    token: str = _setting(
        "DLTK_TOKEN",
        "",
        "text without blanks",
        _token,
        "its token for clients; unset: the one in api_token",
        secret=True,
    )
    cafile: Path | None = _setting(
        "DLTK_CAFILE", None, "a path", _path, "certificate (PEM) to check the container's against; unset: the system's"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: str | None) -> ClientSettings:
        """As `Settings.from_env`, from texts; where no token is set, the container's own `api_token` is taken.

        Raises:
            SettingInvalid: as `Settings.from_env`.
        """
        environ = os.environ if environ is None else environ
        texts = {name: _lookup(variable, environ) for name, variable in CLIENT_VARIABLES.items()}
        texts["token"] = texts["token"] or _lookup(VARIABLES["api_token"], environ)
        texts |= {name: text for name, text in given.items() if text is not None}
        return cls(**{name: _cast(CLIENT_VARIABLES[name], text) for name, text in texts.items() if text})


VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(Settings)}
CLIENT_VARIABLES: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(ClientSettings)}


def _lookup(variable: Variable, environ: Mapping[str, str]) -> str:
    if variable.secret and not environ.get(variable.name) and (file := environ.get(variable.name + "_file")):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingInvalid(variable.name + "_file", file, f"a file that can be read ({error})") from error
    return environ.get(variable.name, "")


def secret(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """A secret that a batch run names: the variable of that name, or what the file in ``<name>_file`` holds.

    Raises:
        SettingInvalid: that file cannot be read.
    """
    variable = Variable(name, "text", _text, "", secret=True)
    return _lookup(variable, os.environ if environ is None else environ) or None


def _cast(variable: Variable, text: str) -> Any:
    try:
        return variable.cast(text)
    except (ValueError, KeyError, RuntimeError) as error:  # RuntimeError: a home folder that nobody has (~name)
        raise SettingInvalid(variable.name, "***" if variable.secret else text, variable.wanted) from error


def worker_paths(environ: Mapping[str, str] | None = None) -> Paths:
    """The folders as a worker, its children and kernels know them: from ``DLTK_HOME`` and ``DLTK_NOTEBOOKS``."""
    environ = os.environ if environ is None else environ
    return Settings.from_env({name: environ[name] for name in ("DLTK_HOME", "DLTK_NOTEBOOKS") if name in environ}).paths


def code_location(environ: Mapping[str, str] | None = None) -> tuple[Paths, Path | None]:
    """Where a worker's children and kernels import notebooks from: the folders, and a version's ``code.json``."""
    environ = os.environ if environ is None else environ
    code = environ.get("DLTK_CODE")  # set by `CodeFinder.install`, never by a user
    return worker_paths(environ), _path(code) if code else None
