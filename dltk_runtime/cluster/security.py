"""Whether a cluster may be used at all: Ray is there, asks for a token, and its network is not open.

Whoever holds Ray's token can run any program on every node. The token encrypts nothing, so the
network has to: by Ray's own TLS, or by being closed, which only the operator can know.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from dltk_runtime import tls
from dltk_runtime.cluster.errors import ClusterUnusable
from dltk_runtime.settings import Settings

OLDEST = (2, 52)  # the first release of Ray with tokens
ON = ("1", "true")
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of Ray's variable
CERTIFICATE, KEY, AUTHORITY = "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT"


def check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Refuse a cluster that is not safe to use, and one without Ray.

    Raises:
        ClusterUnusable: naming what to set.
    """
    if problem := _problem(settings, environ):
        raise ClusterUnusable(f"DLTK_CLUSTER={settings.cluster} cannot be used: {problem}.")


def _problem(settings: Settings, environ: Mapping[str, str]) -> str:
    try:
        release = metadata.version("ray")
    except metadata.PackageNotFoundError:
        return "Ray is not installed here: run pip install '.[cluster]' in a clone of dltk-runtime, on every machine"
    if tuple(int(part) for part in release.split(".")[:2]) < OLDEST:
        return f"Ray {release} knows no tokens; 2.52 or newer is needed, on every machine"
    if environ.get("RAY_AUTH_MODE") != "token":
        return "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, a file with the token, here and on every node"
    if environ.get(TOKEN):
        return f"notebooks could read {TOKEN} in /proc; put the token into a file and name that in {TOKEN}_PATH"
    if environ.get("RAY_USE_TLS", "").lower() in ON:
        return _problem_of_files(environ)
    if not settings.cluster_closed:
        return (
            "Ray encrypts nothing. Set RAY_USE_TLS=1 with your certificates, or DLTK_CLUSTER_CLOSED=true if nobody "
            "else can reach or read the network between the machines"
        )
    return ""


def _problem_of_files(environ: Mapping[str, str]) -> str:
    """Return what is wrong with the files of Ray's TLS: Ray itself names none, and does not end."""
    missing = [name for name in (CERTIFICATE, KEY, AUTHORITY) if not environ.get(name)]
    if missing:
        return f"RAY_USE_TLS=1 needs {' and '.join(missing)}, PEM files, on every machine"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(environ[AUTHORITY])
    except OSError as error:
        return f"{AUTHORITY}={environ[AUTHORITY]} cannot be read as PEM ({error})"
    try:
        tls.load_pair(context, Path(environ[CERTIFICATE]), Path(environ[KEY]))
    except (OSError, ValueError) as error:
        return (
            f"{CERTIFICATE} and {KEY} have to be PEM files that belong together, the key without a passphrase ({error})"
        )
    return ""
