"""Azurite, Microsoft's stand-in for Azure Blob Storage, from a folder of its own (``make objects``)."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.service import ROOT

SERVER = ROOT / ".node-azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT, CONTAINER = "account", "models"
KEY = base64.b64encode(b"made-up-" * 8).decode()
OPTIONS = ("--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent", "--disableTelemetry")


@contextmanager
def azurite() -> Iterator[int]:
    """Yield the port of a server with an empty container."""
    command = ["node", str(SERVER), *OPTIONS, "--skipApiVersionCheck"]
    environ = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with subprocess.Popen(command, env=environ, cwd="/", stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(line.split()[-1] for line in server.stdout if "successfully listens on" in line)
            _make_container(address)
            yield int(address.rpartition(":")[2])
        finally:
            server.kill()


def credentials(port: int) -> dict[str, str]:
    """Return the variables by which a client finds the server behind a port of this machine."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return {"AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_STORAGE_ENDPOINT": endpoint}


def _make_container(address: str) -> None:
    """Send the one request for which the client has no function, signed with the account's key."""
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    canonical = "".join(f"{name}:{value}\n" for name, value in headers.items())
    signed = f"PUT{12 * chr(10)}{canonical}/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    digest = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{address}/{ACCOUNT}/{CONTAINER}?restype=container"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers | {"Content-Length": "0"})).close()
