"""Certificates for TLS between the machines of a cluster, as an operator's authority makes them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from socket import AF_INET

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def variables(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate of it for this machine; return Ray's variables for them."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _named("authority")
    here = x509.SubjectAlternativeName([x509.IPAddress(address) for address in addresses()])
    above = _built(root, root, authority.public_key(), x509.BasicConstraints(ca=True, path_length=None), authority)
    below = _built(_named("node"), root, own.public_key(), here, authority)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = {
        "RAY_TLS_CA_CERT": above.public_bytes(serialization.Encoding.PEM),
        "RAY_TLS_SERVER_CERT": below.public_bytes(serialization.Encoding.PEM),
        "RAY_TLS_SERVER_KEY": own.private_bytes(serialization.Encoding.PEM, *plain),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {"RAY_USE_TLS": "1"} | {name: str(folder / name) for name in files}


def addresses() -> list[ipaddress.IPv4Address]:
    """Return the addresses of this machine: Ray takes another one than it is told on the loopback."""
    found = [each.address for all_of in psutil.net_if_addrs().values() for each in all_of if each.family == AF_INET]
    return [ipaddress.IPv4Address(each) for each in found]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _built(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    extension: x509.ExtensionType,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=9))
    return builder.add_extension(extension, critical=True).sign(key, hashes.SHA256())
