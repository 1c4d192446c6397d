"""Shadow: the old container that answers while this one is compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.setting_types import (
    as_address,
    as_bytes,
    as_flag,
    as_path,
    as_positive,
    as_sent_token,
    one_of,
    setting,
)
from dltk_runtime.units import MIB


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Shadow: the old container that answers while this one is compared with it."""

    __slots__ = ()

    shadow: str = setting(
        "DLTK_SHADOW",
        "",
        "an address such as https://old:5000, without user, password or query",
        as_address,
        "the old container: it answers every fit, apply, summary and picture, and ours are only compared with its",
    )
    shadow_token: str = setting(
        "DLTK_SHADOW_TOKEN",
        "",
        "the token itself, text without blanks",
        as_sent_token,
        "the old container's token; unset: the one that the client sent",
        secret=True,
    )
    shadow_cafile: Path | None = setting(
        "DLTK_SHADOW_CAFILE",
        None,
        "a path",
        as_path,
        "certificates (PEM) to check the old container's against; unset: the system's",
    )
    shadow_verify: str = setting(
        "DLTK_SHADOW_VERIFY",
        "full",
        "full, certificate or none",
        one_of("full", "certificate", "none"),
        "what is checked of the old container's certificate: certificate leaves its host name out",
    )
    shadow_repeat: bool = setting(
        "DLTK_SHADOW_REPEAT",
        False,
        "true or false",
        as_flag,
        "whether one fit and one apply of each model are sent to the old container twice, to tell noise from "
        "differences; a search may then wait for them",
    )
    shadow_queue: int = setting(
        "DLTK_SHADOW_QUEUE",
        256 * MIB,
        "a size such as 256M",
        as_bytes,
        "memory for requests that are not compared yet; further ones are not compared",
    )
    shadow_rows: int = setting(
        "DLTK_SHADOW_ROWS",
        100_000,
        "an integer from 1",
        as_positive,
        "rows of a request beyond which it is not compared",
    )
    shadow_disk: int = setting(
        "DLTK_SHADOW_DISK", 16 * MIB, "a size such as 16M", as_bytes, "disk space for the figures of comparisons"
    )
