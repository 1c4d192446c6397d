"""``dltk flow``: the three data flows as Splunk apps."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dltk_runtime.commands import Exit, Moment
from dltk_runtime.commands._flow_doctor import doctor
from dltk_runtime.commands._flow_values import answers, need, of_file
from dltk_runtime.commands._terminal import console as make_console
from dltk_runtime.commands._terminal import echo
from dltk_runtime.settings import Settings
from dltk_runtime.texts import counted

if TYPE_CHECKING:
    from dltk_runtime.flows.install import Installer

EXAMPLES = """\b
Examples:
  dltk flow new direct dns --defaults            two apps in the folder dns, over sample data
  dltk flow new feedback dga --defaults          an example whose labels return into training
  dltk flow new summary web --anomalies --defaults   no target: anomalies, with a sensitivity by entity
  dltk flow new --from flow.yaml --force         write the apps again after editing flow.yaml
  dltk flow check dns                            check generated or hand-written apps for known traps
  dltk flow check --search mine.spl              say what would change in a search of yours
  dltk flow test dns                             run its searches over simulated days
  dltk flow package dns                          write dns/dist/*.spl
  dltk flow install dns --owner svc_dltk         create the app's objects over REST
  dltk flow doctor dltk_flow_dns                 examine the installed flow over REST
  dltk flow backfill dns --from -30d@d           run the windows of thirty days without a run record
"""


@click.group(epilog=EXAMPLES)
def command() -> None:
    """Write, check, test and pack the Splunk apps of a data flow."""


command.add_command(doctor)


@command.command(epilog=EXAMPLES)
@click.argument("kind", type=click.Choice(["direct", "summary", "feedback"]), required=False)
@click.argument("name", required=False)
@click.option("--from", "origin", type=click.Path(path_type=Path), help="Read a flow.yaml; options override it.")
@click.option("--defaults", is_flag=True, help="Do not prompt; missing options take the values of the sample data.")
@click.option("--to", type=click.Path(path_type=Path), help="Folder to write to.  [NAME]")
@click.option("--force", is_flag=True, help="Overwrite existing files, except sample.csv.")
@click.option("--algorithm", help="Notebook that trains the model.")
@click.option("--parameters", help="Parameters of the algorithm, as in a search: 'epochs=20'.")
@click.option("--native", help="Algorithm of the AI Toolkit itself; --algorithm is its challenger, '' for none.")
@click.option("--native-parameters", help="Parameters of that algorithm: 'n_estimators=50'.")
@click.option("--base", help="Search for the raw events, without a leading pipe.")
@click.option("--prepare", help="SPL that computes the identifier `entity`, the features and the target.")
@click.option("--features", help="Names of the features, separated by blanks or commas.")
@click.option("--extras", help="feedback, --labels: further features, which people keep by entity.")
@click.option("--target", help="Field to predict, or null; '' for anomalies.")
@click.option("--anomalies", is_flag=True, help="No target: find anomalies; people set the sensitivity of each entity.")
@click.option(
    "--predicts",
    type=click.Choice(["yes_no", "class", "number"]),
    help="What the target is: 0 or 1, one of several texts, a number.",
)
@click.option("--limit", type=float, help="predicts=number: a prediction from here on is a finding.")
@click.option("--outcome", help="without a target: first column that the algorithm returns, 1 for an anomaly.")
@click.option("--sensitivity", type=float, help="without a target: share of anomalies where nobody has set another.")
@click.option("--score", help="feedback: column with the probability that the model predicts, 0 to 1.")
@click.option("--positive", help="feedback: label for 1.")
@click.option("--negative", help="feedback: label for 0.")
@click.option(
    "--source", type=click.Choice(["events", "indexed", "metrics", "datamodel"]), help="summary: where features lie."
)
@click.option(
    "--labels/--no-labels", default=None, help="summary: people judge rows; their labels return into training."
)
@click.option(
    "--scoring", type=click.Choice(["summary", "raw"]), help="summary: score its rows, or raw events by the same macro."
)
@click.option("--recipients", help="Addresses that alerts and the daily report are sent to, separated by blanks.")
@click.option(
    "--risk-object",
    type=click.Choice(["system", "user", "other"]),
    help="Enterprise Security: what an entity is; adds risk events for findings, switched off.",
)
@click.option("--version", type=int, help="Version of the feature set; part of the model's name.")
@click.option("--metric", help="Metric that decides on promotion.")
@click.option("--gain", type=float, help="Minimum improvement of the metric for promotion.")
@click.option("--interval", type=int, help="Minutes of a window: a divisor of 60 from 5 on; summary: 1 to 1440.")
@click.option("--zone", help="--interval 1440: zone in which days begin, such as Europe/Berlin.  [UTC]")
@click.option("--lag", type=int, help="Minutes that events may arrive late.")
@click.option("--train-hour", type=int, help="Hour of the daily training, 0 to 23.")
@click.option("--train-days", type=int, help="Days of data for a training.")
def new(origin: Path | None, defaults: bool, to: Path | None, force: bool, anomalies: bool, **options: Any) -> None:
    """Write the apps of the flow NAME: direct, summary or feedback."""
    from dltk_runtime.flows import flow, generate
    from dltk_runtime.flows.app import App
    from dltk_runtime.flows.burden import burden
    from dltk_runtime.flows.defaults import defaults as values_of
    from dltk_runtime.flows.kinds import Kind, Predicts, Source

    given = {key: value for key, value in options.items() if value is not None}
    for several in {"features", "extras", "recipients"} & given.keys():
        given[several] = given[several].replace(",", " ").split()
    if origin:
        made = flow.make(of_file(origin) | given, str(origin))
    else:
        need(given)
        values = (
            values_of(
                Kind(given["kind"]),
                Source(given.get("source", "events")),
                given["name"],
                given.get("interval", 5),
                anomalies=anomalies,
                predicts=Predicts(given.get("predicts", "yes_no")),
                labels=given.get("labels", False),
                extras=bool(given.get("extras")),
            )
            | given
        )
        made = flow.make(values if defaults else values | answers(values, given))
    folder = to or (origin.parent if origin else Path(made.name))
    written = generate.create(made, folder, force=force)
    echo(f"{counted(len(written), 'file')} in {folder}: {made.app} for search heads, {made.index_app} for indexers.")
    echo(f"Switched on, they add to a search head: {burden(App(folder / made.app).searches)}.")
    for note in generate.notes(made, Settings.from_env().paths):
        echo(f"note: {note}")
    echo(f"Next: dltk flow check {folder}; dltk flow test {folder}; dltk flow package {folder}")


@command.command(short_help="Check apps, or one search, for known traps.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option("--rules", is_flag=True, help="List all rules and their fixes; check nothing.")
@click.option(
    "--search",
    "pasted",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with one search, or stanzas of savedsearches.conf: print what would change in a flow.",
)
def check(folder: Path | None, rules: bool, pasted: Path | None) -> None:
    """Check the apps in FOLDER, generated or hand-written, for known traps.

    The exit code is 1 if any rule is broken.
    """
    from dltk_runtime.flows.app import find_apps
    from dltk_runtime.flows.hearing import UNHEARD, unheard
    from dltk_runtime.flows.pasted import SEARCH_RULES, check_search
    from dltk_runtime.flows.rules import RULES
    from dltk_runtime.flows.rules import check as checked

    if rules:
        echo("\n".join(f"{rule.number} {rule.text}\n    {rule.fix}" for rule in RULES))
        return
    if (folder is None) == (pasted is None):
        raise click.UsageError("Missing argument FOLDER, or option --search or --rules; one of them.")
    apps = find_apps(folder) if folder else []
    findings = list(check_search(pasted) if pasted else checked(apps))
    for finding in findings:
        place = f"{finding.app}/{finding.found.where}" if folder else finding.found.where.partition(" ")[2]
        echo(f"{place}: {finding.rule.number} {finding.found.what}")
        echo(f"    {finding.rule.text} {finding.rule.fix}")
    for app in apps:
        if silent := unheard(app):
            echo(f"note: nobody hears {', '.join(silent)}. {UNHEARD}")
    names = ", ".join(app.name for app in apps) or str(pasted)
    echo(f"{names}: {len(SEARCH_RULES if pasted else RULES)} rules, {counted(len(findings), 'finding')}.")
    sys.exit(Exit.FAILED if findings else Exit.OK)


@command.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), help="Folder for the packages.  [FOLDER/dist]")
def package(folder: Path, to: Path | None) -> None:
    """Pack each app in FOLDER as .spl."""
    from dltk_runtime.flows.app import find_apps
    from dltk_runtime.flows.package import pack

    for app in find_apps(folder):
        echo(pack(app, to or folder / "dist"))


@command.command(short_help="Run the searches of the apps over simulated days.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--days", type=click.IntRange(1), default=2, show_default=True, help="Simulated days of scheduled runs.")
@click.option("--labels", type=click.IntRange(0), default=200, show_default=True, help="Rows labelled each day.")
@click.option("--sample", type=click.Path(exists=True, path_type=Path), help="CSV file of events.  [FOLDER/sample.csv]")
@click.option(
    "--notebooks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the notebooks.  [DLTK_NOTEBOOKS]",
)
def test(folder: Path, days: int, labels: int, sample: Path | None, notebooks: Path | None) -> None:
    """Run the searches of the apps in FOLDER over simulated days, with a real runtime."""
    from dltk_runtime.flows.rehearsal import report
    from dltk_runtime.flows.rehearsal.run import Rehearsal

    console = make_console()
    rehearsal = Rehearsal(folder, Settings.from_env(notebooks=notebooks).paths.notebooks, days, labels, sample)
    faults = rehearsal.run(console.print, lambda *facts: report.show(console, *facts))
    for fault in faults:
        echo(f"FAULT {fault}", err=True)
    echo("The flow works." if not faults else f"{len(faults)} faults.")
    sys.exit(Exit.FAILED if faults else Exit.OK)


@command.command(short_help="Create the app's objects over Splunk's REST API.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--owner", required=True, help="Existing service account that will own the searches.")
def install(folder: Path, owner: str) -> None:
    """Create the app's objects over Splunk's REST API (splunk_access_…), with schedules switched off.

    In Splunk Cloud, upload the package instead.
    """
    _installer(folder).install(owner)


@command.command(short_help="Update the app's objects; keep macros and schedules.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--owner", required=True, help="Service account that owns the searches.")
def upgrade(folder: Path, owner: str) -> None:
    """Update the app's objects, but keep macros, schedules, and which schedules are on."""
    _installer(folder).install(owner)


@command.command(short_help="Remove the app's objects; keep indexes and labels.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def remove(folder: Path) -> None:
    """Remove the app's objects, but keep indexes, collections and labels."""
    _installer(folder).remove()


@command.command(short_help="Run the windows of a period that have no run record.")
@click.argument("name")
@click.option(
    "--from", "begin", type=Moment(), required=True, help="2026-01-31, 2026-01-31T18:00Z, epoch seconds, -30d@d."
)
@click.option("--to", "end", type=Moment(), default="now", show_default=True, help="End of the period.")
@click.option(
    "--at-once", type=click.IntRange(1), default=2, show_default=True, help="Windows that run at the same time."
)
@click.option("--home", type=click.Path(path_type=Path), help="Folder for the progress of backfills.  [DLTK_HOME]")
def backfill(name: str, begin: float, end: float, at_once: int, home: Path | None) -> None:
    """Fill the history of the flow NAME: dispatch its search for each window of a period.

    Windows with a complete run record are skipped. Run an interrupted backfill again to continue it.
    The connection to Splunk is given by splunk_access_… in the environment.
    """
    from dltk_runtime.flows.backfill import Backfill, saved_search
    from dltk_runtime.splunk.connection import Connection
    from dltk_runtime.splunk.progress import ProgressBar

    connection = Connection.from_env(f"dltk_flow_{name}")
    saved = saved_search(connection, name)
    windows = saved.windows(begin, end, time.time())
    filling = Backfill(connection, name, saved, Settings.from_env(home=home).paths.backfills, at_once)
    missing = filling.missing(windows)
    echo(f"{saved.name}: {len(windows):,} windows, {len(windows) - len(missing):,} of them completed before.")
    with ProgressBar(saved.name, unit="windows") as bar:
        filling.run(missing, lambda done: bar.to(done, len(missing)))
    echo(f"{len(missing):,} windows filled.")


def _installer(folder: Path) -> Installer:
    from dltk_runtime.flows.app import find_apps
    from dltk_runtime.flows.install import Installer
    from dltk_runtime.splunk.connection import Connection
    from dltk_runtime.splunk.search import search

    app = find_apps(folder)[0]
    connection = Connection.from_env()
    inside = connection.within(app.name)
    return Installer(connection, app, lambda text: search(text, connection=inside, progress=False), echo)
