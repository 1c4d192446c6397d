"""Certificates as a platform mounts them, and as a port serves them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit


def make(folder: Path, host: str, name: str = "tls") -> None:
    """Write a new pair for `host` to ``<name>.crt`` and ``<name>.key``, readable for all."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-days", "2"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    key.chmod(0o644)


def served(url: str) -> str:
    """Return the certificate of a new connection as PEM; "" if the connection fails."""
    address = urlsplit(url)
    try:
        return ssl.get_server_certificate((str(address.hostname), int(address.port or 0)), timeout=10).strip()
    except OSError:
        return ""


def in_file(path: Path) -> str:
    """Return a certificate's text in the form of `served`."""
    return path.read_text().strip()
