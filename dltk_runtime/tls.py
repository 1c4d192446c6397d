"""TLS: the certificate that the server presents, and the contexts of servers and clients.

The server's certificate is the configured one, else a self-signed one that is made once per home.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dltk_runtime.errors import DltkError
from dltk_runtime.settings import Settings

if TYPE_CHECKING:
    from cryptography import x509

CERTIFICATE_YEARS = 10
FOLDER = "tls"


def certificate(settings: Settings) -> tuple[Path, Path]:
    """Return the server's certificate chain and private key, PEM files that load together.

    They are those of the settings, else the home's own pair, which is made if it is missing.

    Raises:
        CertificateInvalid: a file is missing or not PEM, or the two do not belong together.
    """
    if settings.tls_cert or settings.tls_key:
        advice = "Set API_SSL_CERT and API_SSL_KEY to PEM files that belong together, the key without a passphrase."
        return _loadable(settings.tls_cert, settings.tls_key, advice)
    folder = settings.paths.home / FOLDER
    if not folder.exists():
        _make(folder, [settings.host, *settings.tls_names])
    advice = f"Remove the folder {folder}; the next start makes a new pair."
    return _loadable(folder / "server.crt", folder / "server.key", advice)


def _loadable(cert: Path | None, key: Path | None, advice: str) -> tuple[Path, Path]:
    try:
        if cert is None or key is None:
            raise ValueError("only one of the two is set")
        for path in (cert, key):
            path.read_bytes()  # OpenSSL's error does not name the file
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), cert, key)
    except ssl.SSLError as error:
        raise CertificateInvalid(cert, key, error.reason or str(error), advice) from error
    except (OSError, ValueError) as error:
        raise CertificateInvalid(cert, key, str(error), advice) from error
    return cert, key


def load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Load a certificate chain and its private key (PEM) into a context.

    Raises:
        ssl.SSLError, OSError: the files cannot be read, are not PEM or do not belong together.
        ValueError: the key is encrypted.
    """
    context.load_cert_chain(cert, key, password=_no_passphrase)


def _no_passphrase() -> str:
    raise ValueError("the key needs a passphrase")


def client_context(cafile: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Make a client's context that trusts the system's authorities, or those in `cafile` (PEM).

    Without `verify` it accepts every certificate, whatever its host name.

    Raises:
        OSError: `cafile` cannot be read or is not PEM; the text does not name the file.
    """
    context = ssl.create_default_context(cafile=str(cafile) if cafile else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def pinned_context(pem: str) -> ssl.SSLContext:
    """Make a client's context that trusts only this certificate, and checks host name and dates."""
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def names_in(cert: Path) -> list[str]:
    """Return the host names and addresses that a certificate (PEM) is for."""
    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(cert.read_bytes())
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _make(folder: Path, hosts: Sequence[str]) -> None:
    """Make the pair and rename its folder into place: replicas that start together agree on it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    cert, key = _self_signed(hosts)
    temporary = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", dir=folder.parent))
    try:
        temporary.chmod(0o750)
        _write(temporary / "server.key", key, mode=0o600)
        _write(temporary / "server.crt", cert, mode=0o640)
        temporary.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _self_signed(hosts: Sequence[str]) -> tuple[bytes, bytes]:
    """Make a certificate for this machine and its private key, both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dltk-runtime")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * CERTIFICATE_YEARS))
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = private.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
    return built.public_bytes(serialization.Encoding.PEM), key


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    """Return the host names and addresses by which clients may call this machine."""
    from cryptography import x509

    names: list[x509.GeneralName] = []
    for name in sorted({"localhost", socket.gethostname(), "127.0.0.1", "::1", *hosts}):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return names


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a new file that has no more permissions than `mode` at any moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


class CertificateInvalid(DltkError):
    """The server's TLS certificate or key is unusable."""

    exit_code = 78

    def __init__(self, cert: Path | None, key: Path | None, cause: str, advice: str) -> None:
        super().__init__(f"Invalid TLS certificate {cert} with private key {key}: {cause}. {advice}")
