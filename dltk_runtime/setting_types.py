"""The types of settings: how the text of a variable is cast, and how a field declares its variable."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dltk_runtime import booleans
from dltk_runtime.errors import NameInvalid
from dltk_runtime.names import ModelName
from dltk_runtime.units import GIB, MIB

PUBLISHED_HASHES = ("8bd001ab",)  # beginnings of the SHA-256 of known default hashes (protocol 6)
HASH_MARK = "sha256:"  # before the SHA-256 of a token, which takes the token's place where it is only compared


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: its name, what it must be, and what it does."""

    name: str
    wanted: str
    cast: Callable[[str], Any]
    help: str
    secret: bool = False


def as_text(value: str) -> str:
    """Return the text as it is."""
    return value


def as_token(value: str) -> str:
    """Return a token, which goes into an HTTP header as it is."""
    if not all("!" <= character <= "~" for character in value):
        raise ValueError
    return value


def as_accepted_token(value: str) -> str:
    """Return a token that is only compared: the token itself, or ``sha256:`` and its hash in hex."""
    if value.startswith(HASH_MARK) and not re.fullmatch(r"[0-9a-fA-F]{64}", value.removeprefix(HASH_MARK)):
        raise ValueError
    return value.lower() if value.startswith(HASH_MARK) else as_token(value)


def as_sent_token(value: str) -> str:
    """Return a token that is sent, so that its hash would not do."""
    if value.startswith(HASH_MARK):
        raise ValueError
    return as_token(value)


def as_password_hash(value: str) -> str:
    """Return a hash, ``argon2:…`` or ``sha256:salt:digest``; a plain password would never match."""
    if not re.fullmatch(r"argon2:\$argon2.+|[a-z0-9]+:[0-9a-f]+:[0-9a-f]+", value):
        raise ValueError
    return value


def is_published(password_hash: str) -> bool:
    """Return whether a hash is the AI Toolkit's default, whose password is in public documentation."""
    return hashlib.sha256(password_hash.encode()).hexdigest().startswith(PUBLISHED_HASHES)


def as_path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def as_flag(value: str) -> bool:
    return booleans.parse(value)


def as_port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


# Secrets that no notebook gets.
SERVERS_OWN = ("api_token", "DLTK_ADMIN_TOKEN", "JUPYTER_PASSWD", "DLTK_TOKEN", "DLTK_SHADOW_TOKEN")


def as_natural(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def as_umask(value: str) -> int:
    """Return the rights in ``077``, octal as for the command umask."""
    number = int(value, 8)
    if not 0 <= number <= 0o777:
        raise ValueError
    return number


def as_positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def as_seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def as_share(value: str) -> float:
    """Return a share, from 0 to below 1."""
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError
    return number


def as_duration(value: str) -> float:
    """Return seconds, of which there may be none."""
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


def as_bytes(value: str) -> int:
    """Return the bytes in ``2048``, ``512M``, ``2GiB``."""
    text = value.strip().upper().removesuffix("B").removesuffix("I")
    factor = {"K": 1024, "M": MIB, "G": GIB}.get(text[-1:], 1)
    number = float(text[:-1] if factor > 1 else text)
    if not 0 <= number < 2**60:
        raise ValueError
    return int(number * factor)


def as_store(value: str) -> str:
    """Return the address of an object store, without a password or a signature in it."""
    parts = urlsplit(value.strip().rstrip("/"))
    if parts.scheme not in ("s3", "gs", "az") or parts.username or parts.query or parts.fragment:
        raise ValueError
    if not parts.netloc or (parts.scheme == "az" and not parts.path.strip("/")):
        raise ValueError
    return parts.geturl()


def as_cluster(value: str) -> str:
    """Return ``auto``, or ``host:port``."""
    host, _, port = value.strip().rpartition(":")
    if value.strip() != "auto" and not (host and as_port(port)):
        raise ValueError
    return value.strip()


def as_names(value: str) -> tuple[str, ...]:
    """Return the variables in ``llm_config, HF_TOKEN``."""
    names = tuple(each.strip() for each in value.split(",") if each.strip())
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name not in SERVERS_OWN for name in names):
        raise ValueError
    return names


def as_model(value: str) -> ModelName:
    """Return the model in ``seasonal_ets/default``."""
    (model,) = as_models(value)
    return model


def as_models(value: str) -> tuple[ModelName, ...]:
    """Return the models in ``pytorch_nn/iris, umap/map``."""
    pairs = [each.strip().split("/") for each in value.split(",") if each.strip()]
    try:
        return tuple(ModelName(*pair) for pair in pairs)
    except (NameInvalid, TypeError) as error:
        raise ValueError from error


def as_networks(value: str) -> tuple[str, ...]:
    """Return the networks in ``10.0.0.7, 10.1.0.0/16``."""
    return tuple(str(ipaddress.ip_network(each.strip())) for each in value.split(",") if each.strip())


def each_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """Return a cast to several of these words, which stand between commas."""

    def cast(value: str) -> tuple[str, ...]:
        words = tuple(each.strip() for each in value.split(",") if each.strip())
        if not words or not set(words) <= set(allowed):
            raise ValueError
        return words

    return cast


def as_hosts(value: str) -> tuple[str, ...]:
    """Return the host names and addresses in ``dltk.example.com, 10.0.0.7``; a name may begin with ``*.``."""
    hosts = tuple(each.strip() for each in value.split(",") if each.strip())
    for host in hosts:
        if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", host):
            ipaddress.ip_address(host)
    return hosts


def as_plain_hosts(value: str) -> tuple[str, ...]:
    """Return the host names and addresses in ``dltk.example.com, 10.0.0.7``: at least one, each written out."""
    hosts = as_hosts(value)
    if not hosts or any(host.startswith("*") for host in hosts):
        raise ValueError
    return hosts


def as_address(value: str) -> str:
    """Return the address in ``https://old:5000/``, without the slash at its end."""
    parts = urlsplit(value.strip())
    _ = parts.port  # raises ValueError when it is none
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if "@" in parts.netloc or not all("!" <= character <= "~" for character in value.strip()):
        raise ValueError
    return value.strip().rstrip("/")


def as_devices(value: str) -> str:
    """Return indexes as ``nvidia-smi`` shows them, or UUIDs of GPUs or of parts of them (MIG)."""
    text = value.strip()
    if text.lower() in ("auto", "none"):
        return text.lower()
    if not re.fullmatch(r"(\d+|(GPU|MIG)-[0-9A-Za-z/-]+)(\s*,\s*(\d+|(GPU|MIG)-[0-9A-Za-z/-]+))*", text):
        raise ValueError
    return re.sub(r"\s", "", text)


def one_of(*values: str) -> Callable[[str], str]:
    def cast(value: str) -> str:
        return {each.lower(): each for each in values}[value.strip().lower()]

    return cast


def setting(
    name: str, default: Any, wanted: str, cast: Callable[[str], Any], help: str, *, secret: bool = False
) -> Any:
    return field(default=default, repr=not secret, metadata={"variable": Variable(name, wanted, cast, help, secret)})
