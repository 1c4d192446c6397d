"""Option and clients of commands that read a Splunk: its REST API and its searches."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from dltk_runtime.setting_types import as_address
from dltk_runtime.settings import Settings

if TYPE_CHECKING:
    from dltk_runtime.doctor.rest import Rest
    from dltk_runtime.splunk.connection import Connection

PORT = 8089
WANTED = f"expected the address of Splunk's REST API, such as https://splunk.example.com:{PORT}"
LIST_SECONDS = 300.0  # in which Splunk must begin a list: it may have thousands of dashboards
ADDRESS = click.option(
    "--splunk", "address", help="Address of Splunk's REST API.  [splunk_access_host, splunk_access_port]"
)


def clients(address: str | None) -> tuple[Rest, Connection]:
    """Return the clients of `address`, or of the variables ``splunk_access_…``, with the token of notebooks."""
    from dltk_runtime.doctor.rest import Rest
    from dltk_runtime.splunk.access import of_settings
    from dltk_runtime.splunk.connection import Connection

    settings = Settings.from_env()
    host, port, scheme = _parts(address, settings)
    if not settings.splunk_token:
        raise click.UsageError("splunk_access_token is missing: set it, or splunk_access_token_file.")
    tls = of_settings(settings).tls
    base = f"{scheme}://{host}:{port}"
    connection = Connection(host.strip("[]"), port, settings.splunk_token, scheme=scheme, tls=tls)
    return Rest(base, settings.splunk_token, tls, LIST_SECONDS), connection


def _parts(address: str | None, settings: Settings) -> tuple[str, int, str]:
    """Return host, port and scheme."""
    if not address:
        if not settings.splunk_host:
            raise click.UsageError("Missing option --splunk, or the variable splunk_access_host.")
        return settings.splunk_host, settings.splunk_port, "https"
    try:
        parts = urlsplit(as_address(address))
    except ValueError as failure:
        raise click.BadParameter(WANTED, param_hint="--splunk") from failure
    if parts.path:
        raise click.BadParameter(f"{WANTED}, and no page of it", param_hint="--splunk")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return host, parts.port or PORT, parts.scheme
