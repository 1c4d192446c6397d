"""What can be checked of a block that is not run: its syntax, and that the commands and options exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import click

from dltk_runtime import cli
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk.grammar import parse_apply, parse_fit
from tests.support.service import ROOT

_TARGETS = re.compile(r"^\.PHONY: (.*)$", re.MULTILINE)
_MLTK = re.compile(r"\|\s*(fit|apply)\s+([^|]+)")


def problems(language: str, text: str) -> Iterator[str]:
    """Yield what is wrong with a block that is shown and not run."""
    if language == "sh":
        yield from _shell(text)
    elif language == "spl":
        yield from _search(text)
    elif language == "python":
        yield from _python(text)


def _shell(text: str) -> Iterator[str]:
    plain = re.sub(r"<[\w ]+>", "x", text)
    done = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"is no shell text: {done.stderr}"
    for words in _commands(plain):
        match words:
            case [command, *rest] if command.rpartition("/")[2] == "dltk":
                yield from _dltk(rest)
            case ["make", target, *_] if target not in _targets():
                yield f"calls 'make {target}', which is no target"


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command; quoted words, which may hold anything, are left out."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|(?<=\s)#.*", "", text.replace("\\\n", " "))
    for command in re.split(r"&&|[\n;|]", bare):
        yield command.split()


def _dltk(words: list[str]) -> Iterator[str]:
    command: click.Command = cli.dltk
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        try:
            found = command.get_command(click.Context(command), rest.pop(0))
        except click.NoSuchCommand:
            found = None
        if found is None:
            yield f"calls 'dltk {' '.join(words)}', which is no command"
            return
        command = found
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    for option in (word.partition("=")[0] for word in rest if word.startswith("--") and word != "--"):
        if option not in known:
            yield f"gives {option} to '{command.name}', which has no such option"


def _targets() -> list[str]:
    return _TARGETS.findall((ROOT / "Makefile").read_text(encoding="utf-8"))[0].split()


def _python(text: str) -> Iterator[str]:
    try:
        compile(text, "block", "exec")
    except SyntaxError as error:
        yield f"is no Python: {error}"


def _search(text: str) -> Iterator[str]:
    """Check the grammar of each ``fit`` and ``apply``; an ellipsis stands for what a reader fills in."""
    for command, arguments in _MLTK.findall(text.replace("…", " ")):
        try:
            (parse_fit if command == "fit" else parse_apply)(arguments.strip())
        except SearchError as error:
            yield f"holds a {command} that Splunk refuses: {error}"
