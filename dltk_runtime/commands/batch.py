"""``dltk batch``: run a notebook on data, with papermill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dltk_runtime.commands import Exit
from dltk_runtime.errors import DltkError
from dltk_runtime.settings import Settings

EPILOG = """\b
Without --fit or --apply all cells run: stage() gives the data of the run, whatever name the notebook asks it for,
and a model that is fitted becomes a version. --fit and --apply run the algorithm's cells alone.

\b
A parameter's value may be secret://NAME: the variable NAME, or the file that NAME_file names, is read when the
run begins, and the value is kept out of the notebook, the job and its log. Results are the notebook's own business.

\b
With --each, a column of the CSV file is a parameter, or `model`; --out and --notebook then hold {row} (from 1) or
{COLUMN}, and nothing runs unless all rows can.

\b
Exit codes: 0 all went well; 1 a run failed, and stderr says where.

\b
Examples:
  dltk batch pytorch_nn --data iris.csv --target species --fit --model iris --out fitted.csv
  dltk batch pytorch_nn --data new.parquet --apply --model iris --out scored.parquet
  dltk batch report.ipynb --data staged:my_data -p epochs=5 --notebook report-out.ipynb
  dltk batch report.ipynb --data staged:my_data -p epochs=5 --notebook report-out.ipynb --resume
  dltk batch pytorch_nn --data iris.csv --target species --fit --each grid.csv --out 'results-{row}.csv'
"""


@click.command(epilog=EPILOG)
@click.argument("notebook")
@click.option("--data", required=True, help="Rows: a .csv or .parquet file, or staged:NAME.")
@click.option("-p", "parameters", metavar="NAME=VALUE", multiple=True, help="A parameter that the notebook declares.")
@click.option("--fit", "mode", flag_value="fit", help="Fit and apply; nothing but the algorithm's cells runs.")
@click.option("--apply", "mode", flag_value="apply", help="Apply the current version.")
@click.option("--model", default="default", show_default=True, help="The model's name.")
@click.option("--target", help="The column to predict.")
@click.option(
    "--feature", "features", multiple=True, help="A feature's column, or a glob.  [default: all but the target]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Where the results go: .csv or .parquet.")
@click.option("--notebook", "executed", type=click.Path(path_type=Path), help="Where the executed notebook goes.")
@click.option("--deadline", type=click.FloatRange(min=1), default=86400.0, show_default=True, help="Seconds for all.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="After a kernel's death or a lost connection.",
)
@click.option("--resume", is_flag=True, help="Go on from the failed cell of the notebook that --notebook names.")
@click.option("--each", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A CSV file: one run a row.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Runs at a time with --each.")
@click.option("--home", type=click.Path(path_type=Path), help="Where models and jobs lie.  [DLTK_HOME]")
@click.option("--notebooks", type=click.Path(path_type=Path), help="The notebooks' folder.  [DLTK_NOTEBOOKS]")
@click.pass_context
def command(
    context: click.Context,
    /,
    parameters: tuple[str, ...],
    mode: str | None,
    each: Path | None,
    workers: int,
    home: Path | None,
    notebooks: Path | None,
    **given: Any,
) -> None:
    """Run a notebook on data: a job with its progress, an executed notebook, results, a version of a model."""
    from dltk_runtime.batch.each import orders, run_all
    from dltk_runtime.batch.order import Order

    settings = Settings.from_env(home=home, notebooks=notebooks)
    order = Order(mode=mode or "run", parameters=_pairs(parameters), **given)
    failed = False
    for wanted, outcome in run_all(orders(order, each) if each else [order], settings, workers if each else 1):
        failed |= isinstance(outcome, DltkError)
        if isinstance(outcome, DltkError):
            click.echo(f"dltk: {outcome.sentence}", err=True)
            continue
        click.echo(f"job {outcome.job}: {outcome.message}")
        click.echo(f"notebook: {outcome.executed}")
        if wanted.out:
            click.echo(f"results: {outcome.rows} rows in {wanted.out}")
    context.exit(Exit.FAILED if failed else Exit.OK)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if bad := [name for name, sign, _ in pairs if not sign]:
        raise click.UsageError(f"-p {bad[0]} is no NAME=VALUE.")
    return {name: value for name, _, value in pairs}
