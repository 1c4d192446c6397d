"""Rights: tokens, people behind a proxy, and secrets of notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.setting_types import (
    as_accepted_token,
    as_flag,
    as_names,
    as_networks,
    as_path,
    as_text,
    each_of,
    one_of,
    setting,
)

TEXT_OR_HASH = "text without blanks, or sha256: and 64 hexadecimal digits"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Rights: tokens, people behind a proxy, and secrets of notebooks."""

    __slots__ = ()

    api_token: str = setting(
        "api_token",
        "",
        TEXT_OR_HASH,
        as_accepted_token,
        "the token that every request must carry; needed. Its hash, sha256:…, does as well",
        secret=True,
    )
    admin_token: str = setting(
        "DLTK_ADMIN_TOKEN",
        "",
        TEXT_OR_HASH,
        as_accepted_token,
        "token that changes under /v1 need, or its hash, sha256:…; unset: the api_token",
        secret=True,
    )
    tokens_file: Path | None = setting(
        "DLTK_TOKENS_FILE",
        None,
        "a path",
        as_path,
        "file of named tokens with rights, as `dltk tokens` writes it; read again when it changes; unset: none",
    )
    proxy_addresses: tuple[str, ...] = setting(
        "DLTK_PROXY_ADDRESSES",
        (),
        "addresses or networks such as 10.0.0.0/24, several separated by commas",
        as_networks,
        "proxies that sign people in, whose DLTK_PROXY_HEADER names the person; it counts from these addresses alone",
    )
    proxy_header: str = setting(
        "DLTK_PROXY_HEADER", "X-Forwarded-User", "text", as_text, "header in which a proxy names the person"
    )
    proxy_rights: tuple[str, ...] = setting(
        "DLTK_PROXY_RIGHTS",
        ("read",),
        "read, promote or admin, several separated by commas",
        each_of("read", "promote", "admin"),
        "what people may do in the console who are signed in by a proxy",
    )
    others_models: str = setting(
        "DLTK_OTHERS_MODELS",
        "warn",
        "warn or refuse",
        one_of("warn", "refuse"),
        "what a fit into a model gets whose last version was fitted with another token: a warning, or a refusal",
    )
    open_metrics: bool = setting(
        "DLTK_OPEN_METRICS", False, "true or false", as_flag, "serve /metrics without the token"
    )
    notebook_secrets: tuple[str, ...] = setting(
        "DLTK_NOTEBOOK_SECRETS",
        (),
        "names of variables, separated by commas, and not those of the server's own secrets",
        as_names,
        "secrets that notebooks get as variables of their environment; the value of NAME is in the variable NAME, or "
        "in the file that NAME_file names",
    )
    hide_files: bool = setting(
        "DLTK_HIDE_FILES",
        True,
        "true or false",
        as_flag,
        "whether workers and kernels are kept from files of secrets, where the kernel has Landlock",
    )
