"""Write the generated tables of `docs/reference/`: settings, algorithms, the command line and ``/v1``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from dltk_runtime import cli
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.functions import FUNCTIONS
from dltk_runtime.emulator.spl.functions.times import clock_functions
from dltk_runtime.emulator.spl.pipeline import NESTED_FORMS
from dltk_runtime.emulator.spl.refused import SPLUNK_COMMANDS
from dltk_runtime.emulator.spl.statistics.table import PERCENTILES_FORM, STATISTICS
from dltk_runtime.flows.rules import RULES
from dltk_runtime.notebook.algorithm import algorithms
from dltk_runtime.notebook.catalogue import entry, markdown
from dltk_runtime.paths import Paths
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.server.v1_routes import V1Api
from dltk_runtime.service.wiring import build
from dltk_runtime.setting_types import Variable
from dltk_runtime.settings import GROUPS, ClientSettings, Settings
from dltk_runtime.settings.variables import written
from dltk_runtime.units import GIB, MIB

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
BEGIN, END = "<!-- {name}: written by `make tables` -->\n", "<!-- end of {name} -->\n"


def shown(variable: Variable, default: Any) -> str:
    """Return a default as a person would write it into the variable; empty when there is none."""
    match default:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case int() if default and default % GIB == 0:
            return f"`{default // GIB}G`"
        case int() if default and default % MIB == 0:
            return f"`{default // MIB}M`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{written(variable, default)}`"


def settings() -> str:
    """Return a table of each group of variables: their defaults, what they must be and what they do."""
    return "\n".join(_group(each) for each in (*GROUPS, ClientSettings))


def _group(group: type[Any]) -> str:
    title = (group.__doc__ or "").splitlines()[0].rstrip(".")
    rows = [
        f"| `{each.metadata['variable'].name}` | {shown(each.metadata['variable'], each.default)} "
        f"| {each.metadata['variable'].wanted} | {each.metadata['variable'].help} |"
        for each in fields(group)
    ]
    return "\n".join(
        [f"## {title}", "", "| variable | default | must be | what it does |", "|---|---|---|---|", *rows, ""]
    )


def library() -> str:
    """Return the table of shipped notebooks, as ``dltk algos --markdown`` prints it."""
    notebooks = ROOT / "notebooks"
    paths = Paths(home=notebooks, notebooks=notebooks)  # a home without models of its own
    return markdown(entry(name, paths) for name in algorithms(paths))


def command_line() -> str:
    """Return a section with a table of options for each command."""
    return "\n".join(_section(name, command) for name, command in _commands(cli.dltk, "dltk"))


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        if command is None:
            continue
        yield f"{name} {each}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {each}")


def _section(name: str, command: click.Command) -> str:
    about = " ".join((command.help or "").split())
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command))])
    rows = [f"| {_options(each)} | {_cell(_help(each))} |" for each in command.params if isinstance(each, click.Option)]
    table = ["", "| option | meaning |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `{name}`", "", about, "", f"`{usage}`", *table, ""])


def _options(option: click.Option) -> str:
    kind = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('')))}"
    return f"`{', '.join(option.opts)}{kind}`".replace("|", "\\|")


def _help(option: click.Option) -> str:
    record = option.get_help_record(click.Context(click.Command("")))
    return " ".join(record[1].split()) if record else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def v1() -> str:
    """Return the table of the routes under ``/v1``."""
    operations = V1Api(build(Settings()), Tokens(Settings())).operations()
    rows = [f"| `{each.method} {each.path}` | `{each.right}` | {each.summary} |" for each in operations]
    return "\n".join(["| route | right | answer |", "|---|---|---|", *rows]) + "\n"


def spl_commands() -> str:
    """Return the table of SPL commands that `dltk search` runs, with the accepted forms."""
    forms = {name: command.forms for name, command in COMMANDS.items()} | dict(NESTED_FORMS)
    rows = [f"| `{name}` | {'<br>'.join(f'`{_piped(form)}`' for form in forms[name])} |" for name in sorted(forms)]
    return "\n".join(["| command | accepted arguments |", "|---|---|", *rows]) + "\n"


def spl_functions() -> str:
    """Return the tables of the functions of eval and of stats."""
    functions = {**FUNCTIONS, **clock_functions(time.time)}
    evaluated = [f"`{_piped(functions[name].form)}`" for name in sorted(functions)]
    counted = [*(each.form for each in STATISTICS.values()), PERCENTILES_FORM]
    lines = ["### Functions of eval and where", "", ", ".join(evaluated) + ".", ""]
    lines += ["### Functions of stats", "", ", ".join(f"`{form}`" for form in counted) + ".", ""]
    return "\n".join(lines)


def spl_refused() -> str:
    """Return the list of Splunk's commands that do not run here."""
    names = sorted(SPLUNK_COMMANDS - COMMANDS.keys() - NESTED_FORMS.keys())
    return ", ".join(f"`{name}`" for name in names) + ".\n"


def _piped(form: str) -> str:
    return form.replace("|", "\\|")


def flow_rules() -> str:
    """Return the table of the rules of ``dltk flow check``."""
    rows = [f"| {rule.number} | {_cell(rule.text)} | {_cell(rule.fix)} |" for rule in RULES]
    return "\n".join(["| rule | what is wrong | what to do |", "|---|---|---|", *rows]) + "\n"


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("settings.md", settings),
    "algorithms": ("algorithms.md", library),
    "commands": ("command-line.md", command_line),
    "routes": ("v1.md", v1),
    "flow rules": ("flow-rules.md", flow_rules),
    "SPL commands": ("search.md", spl_commands),
    "SPL functions": ("search.md", spl_functions),
    "SPL elsewhere": ("search.md", spl_refused),
}


def updated(page: str, name: str) -> str:
    """Return the text of a page with the current table `name` between its two marks.

    Raises:
        ValueError: the page lacks a mark.
    """
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(f"the page needs the lines {begin.strip()} and {end.strip()}")
    _, write = TABLES[name]
    return f"{before}{begin}\n{write()}\n{end}{after}"


def main() -> None:
    for name, (file, _) in TABLES.items():
        page = REFERENCE / file
        page.write_text(updated(page.read_text(encoding="utf-8"), name), encoding="utf-8")
        print(f"docs/reference/{file} has the current {name}.", file=sys.stderr)


if __name__ == "__main__":
    main()
