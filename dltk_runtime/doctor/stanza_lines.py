"""Write the stanza by which Splunk finds the container of one model, or of all that have none of their own.

The keys and their order are those of the files in ``deploy/splunk/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from dltk_runtime.doctor.addresses import UNNAMED
from dltk_runtime.doctor.clients import CONNECTIONS, TOOLKIT, Client
from dltk_runtime.errors import DltkError, shown
from dltk_runtime.setting_types import as_address

LAB_PORT, SPARK_PORT = 8888, 4040
DEFAULT_WARNING = "# Splunk gives what [default] holds to every stanza of a file: better name the model, by 'into'."
TENSORBOARD_PATH, MLFLOW_PATH = "/proxy/6006/", "/proxy/6000/"


class AddressInvalid(DltkError):
    """An address that Splunk could not call."""

    def __init__(self, url: str) -> None:
        wanted = "Write it as https://host:5000, without user, password or query."
        super().__init__(f"{shown(url)} is no address of a container. {wanted}")


@dataclass(frozen=True, slots=True)
class StanzaLines:
    """One stanza for one client.

    Attributes:
        name: of the model, or ``__dev__``.
        url: what the search head calls.
        external: what people's browsers call.
        cluster: ``docker`` or ``kubernetes``.
        mode: ``DEV`` or ``PROD``; a ``PROD`` container has no JupyterLab.
    """

    client: Client
    name: str
    url: str
    external: str
    cluster: str
    mode: str

    def text(self) -> str:
        """Return the lines, with the file they go to as comments before them.

        Raises:
            AddressInvalid: an address is not ``http://host…`` or ``https://host…``.
        """
        lines = [*self._comments(), f"[{self.name}]"]
        return "\n".join([*lines, *(f"{key} = {value}" for key, value in self.settings().items())]) + "\n"

    def settings(self) -> dict[str, str]:
        """Return the settings in the order of the file. Raises as `text`."""
        host = _host(self.external)
        lab = f"https://{host}:{LAB_PORT}"
        found = {"api_url": _checked(self.url), "api_url_external": _checked(self.external), "jupyter_url": lab}
        found |= {"tensorboard_url": lab + TENSORBOARD_PATH, "mlflow_url": lab + MLFLOW_PATH}
        if self.client is TOOLKIT:
            spark = {"spark_url": f"https://{host}:{SPARK_PORT}"}
            return found | spark | {"cluster": self.cluster, "id": "dltk", "mode": self.mode, "status": "Active"}
        return found | {"cluster": self.cluster, "id": "dltk", "image": "dltk", "runtime": "none", "mode": self.mode}

    def _comments(self) -> list[str]:
        place = f"# Goes to $SPLUNK_HOME/etc/apps/{self.client.app}/local/{self.client.file}.conf on every search head."
        of_all = [DEFAULT_WARNING] if self.name == UNNAMED else []
        if self.client is not TOOLKIT:
            return [place, *of_all]
        needed = f"# {CONNECTIONS}.conf beside it needs the section [{self.cluster}]: deploy/splunk/ has it."
        return [place, needed, *of_all]


def _checked(url: str) -> str:
    """Return an address as Splunk can call it: routes are added to it as it is. Raises `AddressInvalid`."""
    try:
        parts = urlsplit(as_address(url))
    except ValueError as failure:
        raise AddressInvalid(url) from failure
    if parts.port == 0:
        raise AddressInvalid(url)
    return parts.geturl()


def _host(url: str) -> str:
    """Return the host of an address, in brackets where it is IPv6. Raises `AddressInvalid`."""
    host = str(urlsplit(_checked(url)).hostname)
    return f"[{host}]" if ":" in host else host
