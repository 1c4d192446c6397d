"""Tools: the image, JupyterLab, MLflow, traces, the console, and clients that are not Splunk."""

from __future__ import annotations

from dataclasses import dataclass

from dltk_runtime.names import ModelName
from dltk_runtime.setting_types import (
    as_bytes,
    as_flag,
    as_model,
    as_password_hash,
    as_plain_hosts,
    as_port,
    as_text,
    one_of,
    setting,
)
from dltk_runtime.units import MIB


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Tools: the image, JupyterLab, MLflow, traces, the console, and clients that are not Splunk."""

    __slots__ = ()

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
    console: bool = setting(
        "DLTK_CONSOLE", True, "true or false", as_flag, "pages for a browser under /ui, after signing in with a token"
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
    scoring_model: ModelName | None = setting(
        "DLTK_SCORING_MODEL",
        None,
        "algorithm/model",
        as_model,
        "model that /invocations means where its address has no ?model=algorithm.model",
    )
    forecaster: ModelName = setting(
        "DLTK_FORECASTER",
        ModelName("seasonal_ets", "default"),
        "algorithm/model",
        as_model,
        "model that answers the AI Toolkit's apply CDTSM; without a version, what its notebook's load() returns",
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
