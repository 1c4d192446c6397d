"""Check the files of an app's folder on a search head, ``Splunk_ML_Toolkit`` or ``mltk-container``, or of a copy.

The AI Toolkit reads ``local/`` alone, which REST does not tell from ``default/``.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

from dltk_runtime.doctor.called import called
from dltk_runtime.doctor.clients import CONNECTIONS, DSDL, FALLBACK, TOOLKIT, Client, Stanza, incomplete
from dltk_runtime.doctor.finding import Finding, error, warning


def app_folder(folder: Path) -> Iterator[Finding]:
    """Check the files by which the app in `folder` finds its container."""
    client = _client(folder)
    if client is None:
        text = f"{folder} has neither {DSDL.file}.conf nor {TOOLKIT.file}.conf in local or default"
        advice = f"Name the folder {DSDL.app} or {TOOLKIT.app} of a search head's etc/apps, or a copy of it."
        yield error("stanzas", text, advice)
        return
    files = [client.file, CONNECTIONS] if client is TOOLKIT else [client.file]
    for name in files:
        yield from _present(client, folder, name)
    try:
        stanzas, connections = _read(folder, client.file), _read(folder, CONNECTIONS)
    except (OSError, ValueError, configparser.Error) as failure:
        yield error("stanzas", f"a file in {folder / 'local'} cannot be read: {failure}", "Correct the file.")
        return
    yield from _complete(client, folder, stanzas, connections)


def _complete(
    client: Client, folder: Path, stanzas: dict[str, Stanza], connections: dict[str, Stanza]
) -> Iterator[Finding]:
    if (folder / "local" / f"{client.file}.conf").is_file() and FALLBACK not in stanzas:
        text = f"no stanza [{FALLBACK}] in {folder / 'local' / client.file}.conf: it has {', '.join(stanzas) or 'none'}"
        advice = f"Only models with a stanza of their own find a container. {client.advice}"
        yield warning("stanzas", text, advice) if stanzas else error("stanzas", text, client.advice)
    for name, stanza in stanzas.items():
        yield from incomplete(client, name, stanza, connections, str(folder))
    for address in sorted({stanza.get("api_url", "") for stanza in stanzas.values()}):
        if address.startswith(("http://", "https://")):
            yield from called(address)


def _client(folder: Path) -> Client | None:
    for client in (TOOLKIT, DSDL):
        files = [folder / layer / f"{client.file}.conf" for layer in ("local", "default")]
        if folder.resolve().name == client.app or any(file.is_file() for file in files):
            return client
    return None


def _present(client: Client, folder: Path, name: str) -> Iterator[Finding]:
    """Yield where a file is missing: it must be in ``local``."""
    local, default = (folder / layer / f"{name}.conf" for layer in ("local", "default"))
    if local.is_file():
        return
    if default.is_file() and client is TOOLKIT:
        text = f"{name}.conf is in {default.parent}, and the AI Toolkit reads it in local alone"
        advice = f"Move it to {local.parent}; on a deployer set deployer_push_mode = full (deploy/splunk/README.md)."
        yield error("stanzas", text, advice)
    elif not default.is_file():
        yield error("stanzas", f"{local} is missing", f"Copy deploy/splunk/{name}.conf there.")


def _read(folder: Path, name: str) -> dict[str, Stanza]:
    """Return the stanzas of a file in ``local``, none where it is missing.

    Raises:
        OSError, ValueError, configparser.Error: it cannot be read.
    """
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), allow_no_value=True)
    parser.read(folder / "local" / f"{name}.conf", encoding="utf-8-sig")
    found = {section: {key: value or "" for key, value in parser[section].items()} for section in parser.sections()}
    return {section: stanza for section, stanza in found.items() if section != "default"}
