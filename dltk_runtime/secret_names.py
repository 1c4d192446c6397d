"""The names behind which secrets are expected. One module for the three places that look for them.

| where                      | how a name is compared                               |
|----------------------------|------------------------------------------------------|
| variables of the server    | a word of `VARIABLE_WORDS` anywhere in the name      |
| parameters of a search     | the name ends with one of `PARAMETER_ENDINGS`        |
| `meta` of a request        | the name ends with one of `SESSION_KEY_ENDINGS`, also |
|                            | in texts: JSON, ``name=value``, ``name: value``       |

A variable is secret also when its value has a password: ``https://user:password@proxy``. The server,
the image's services, Jupyter's kernels and batch all ask `is_secret_variable`. A test compares the
settings that are marked secret with it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dltk_runtime.errors import BodyInvalid

# Headers too: splunk-opentelemetry puts its token into OTEL_EXPORTER_OTLP_HEADERS.
VARIABLE_WORDS = ("token", "passw", "secret", "credential", "key", "llm_config", "headers")
NAMES_ONLY = ("DLTK_NOTEBOOK_SECRETS",)  # a list of variables, without their values
# Compared in lower case, letters and digits alone: session_key, splunk-session-key, authToken.
SESSION_KEY_ENDINGS = ("sessionkey", "authtoken", "authorization", "authstring")  # Splunk's live keys (protocol 1.1)
PARAMETER_ENDINGS = (*SESSION_KEY_ENDINGS, "token", "password", "passwd", "secret", "apikey")
# Variables that name a file of a secret, and do not end with `_file`.
_FILES = ("API_SSL_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "RAY_AUTH_TOKEN_PATH", "RAY_TLS_SERVER_KEY")
REMOVED = "[removed]"
MAX_META_DEPTH = 100  # levels of objects and lists in `meta`; Splunk sends four
_VARIABLE = re.compile("|".join(VARIABLE_WORDS), re.IGNORECASE)
# ``scheme://user:password@host``, ``https://token@host``, ``user:password@host``, ``password=…``, also in JSON; keys as
# PEM and in connection strings, tokens and signatures as parameters of a URL, values of headers
_CREDENTIALS = re.compile(
    r"://[^\s/:@]*:[^\s@]+@|https?://[^\s/:@]+@|^[^\s/:@]+:(?!//)[^\s@]+@[^\s@]+$"
    r"""|(?:pass(?:word|wd|phrase)|\bpwd)["']?\s*[=:]|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"""
    r"""|(?:^|[:=]\s*)Bearer\s+\S{8}"""
    r"""|(?:access|account|api|private|secret)[_-]?key["']?\s*[=:]|\b(?:client_secret|token|secret|sig)["']?\s*=\s*\S""",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\W_]+")
# A session key in a text: its name, ``=`` or ``:``, and the value, with or without quotes.
# Splunk also writes it as XML, and keeps it in the cookie ``splunkd_8089``.
_SESSION_KEY_IN_TEXT = re.compile(
    r"""((?:session[_ -]?key|auth[_ -]?(?:token|string)|authorization|splunkd_\d{1,5})s?(?:[_ -]?\d{1,2})?[\\"']{0,8}"""
    r"""(?:\s{0,8}(?:[=:]{1,3}|%3[ad])|>)\s{0,8}(?:b(?=["']))?[\\"'\[{(]{0,8})(?:(?:splunk|bearer|basic)\s{1,8})?"""
    r"""[^\s\\"',;&}<]+""",
    re.IGNORECASE,
)
# The value of such a header, without its name: long, and with a digit.
_HEADER_VALUE = re.compile(
    r"\b((?:splunk|bearer|basic)\s{1,8})(?=[a-z_^.+/=-]{0,512}\d)[a-z\d_^.+/=-]{32,}", re.IGNORECASE
)
_COOKIE = "splunkd_"  # and a port: the cookie with Splunk Web's session key


def is_secret_variable(name: str, value: str) -> bool:
    """Return whether a variable's name announces a secret, or its value contains a password."""
    return is_secret_name(name) or _CREDENTIALS.search(value) is not None


def variables_without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that hold no secret."""
    return {name: value for name, value in environ.items() if not is_secret_variable(name, value)}


def secret_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that `variables_without_secrets` holds back."""
    return {name: value for name, value in environ.items() if is_secret_variable(name, value)}


def private_files(environ: Mapping[str, str]) -> list[str]:
    """Return the files that hold secrets: those of the ``<secret>_file`` variables, and TLS keys."""
    secret = secret_variables(environ)
    return [value for name, value in secret.items() if name.lower().endswith("_file") or name in _FILES]


def parameters_without_secrets(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters whose keys do not announce a secret; only these are written to disk."""
    return {key: value for key, value in parameters.items() if not _is_secret_parameter(key)}


def meta_without_session_keys(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return `meta` without Splunk's session keys, at any level.

    Raises:
        BodyInvalid: it is nested deeper than `MAX_META_DEPTH`.
    """
    return {key: _cleaned(value, 1) for key, value in meta.items() if not _is_session_key(key)}


def texts_of(secrets: Iterable[str]) -> list[str]:
    """Return secrets, and those within a secret that is a JSON object, as `llm_config` is."""
    found = []
    for each in secrets:
        found.append(each)
        with contextlib.suppress(ValueError, RecursionError):
            found += _secrets_in(json.loads(each)) if each.lstrip().startswith(("{", "[")) else []
    return found


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _secrets_in(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str) and is_secret_name(key):
                yield each
            yield from _secrets_in(each)


def is_secret_name(variable: str) -> bool:
    """Return whether a variable's name announces a secret."""
    return variable not in NAMES_ONLY and _VARIABLE.search(variable) is not None


def _is_secret_parameter(key: str) -> bool:
    return _SEPARATORS.sub("", key.lower()).endswith(PARAMETER_ENDINGS)


def _is_session_key(key: str) -> bool:
    lowered = key.lower()
    if "session" not in lowered and "auth" not in lowered:  # which is quick: `meta` may have a million names
        return lowered.startswith(_COOKIE) and lowered.removeprefix(_COOKIE).isdigit()  # not splunkd_uri
    return _SEPARATORS.sub("", lowered).rstrip("s0123456789").endswith(SESSION_KEY_ENDINGS)


def _cleaned(value: Any, depth: int) -> Any:
    if depth > MAX_META_DEPTH:
        raise BodyInvalid(f"'meta' is nested more than {MAX_META_DEPTH} levels deep.")
    if isinstance(value, dict):
        return {
            key: each if type(each) is str and _is_plain(each) else _cleaned(each, depth + 1)
            for key, each in value.items()
            if not _is_session_key(key)
        }
    if isinstance(value, list):
        if _are_plain(value):
            return value
        return [each if type(each) is str and _is_plain(each) else _cleaned(each, depth + 1) for each in value]
    return _cleaned_text(value, depth) if isinstance(value, str) else value


def _is_plain(text: str) -> bool:
    """Return whether a text cannot have a name and a value, nor the value of a header."""
    return not (":" in text or "=" in text or ">" in text or "%" in text or " " in text)


def _are_plain(values: list[Any]) -> bool:
    """Return whether all values are texts that cannot have a name and a value, as names of fields are."""
    try:
        return _is_plain("".join(values))
    except TypeError:
        return False


def _cleaned_text(text: str, depth: int) -> str:
    """Return a text of `meta` without session keys; other texts as they are."""
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") and _SESSION_KEY_IN_TEXT.search(text):
        with contextlib.suppress(ValueError, RecursionError):  # it only begins like JSON
            text = json.dumps(_cleaned(json.loads(text.lstrip("\ufeff")), depth + 1), ensure_ascii=False)
    return _HEADER_VALUE.sub(rf"\1{REMOVED}", _SESSION_KEY_IN_TEXT.sub(rf"\1{REMOVED}", text))
