"""``dltk convert``: turn a plain notebook into an algorithm."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dltk_runtime.commands import Exit
from dltk_runtime.commands._terminal import echo
from dltk_runtime.files import atomic
from dltk_runtime.names import quoted
from dltk_runtime.notebook.algorithm import CALLS
from dltk_runtime.notebook.convert import convert
from dltk_runtime.notebook.places import name_of

EPILOG = """Cells that define the algorithm get a name in their metadata, by which they are exported; magics in them
move to cells of their own. Outputs and all other cells stay as they are. No code of the notebook runs.

\b
Exit codes:
  0  written, and all required functions are there
  1  written, and init, fit or apply is missing; or not written

\b
Examples:
  dltk convert explore.ipynb                  writes explore_algorithm.ipynb
  dltk convert explore.ipynb --to umap.ipynb
  dltk convert explore.ipynb --in-place
"""


@click.command(epilog=EPILOG, short_help="Propose names for the cells of a plain notebook.")
@click.argument("notebook", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", type=click.Path(path_type=Path), help="File to write.  [NOTEBOOK_algorithm.ipynb]")
@click.option("--in-place", is_flag=True, help="Write the notebook itself.")
@click.option("--dry-run", is_flag=True, help="Only print the names.")
def command(notebook: Path, to: Path | None, in_place: bool, dry_run: bool) -> None:
    """Propose names for the cells of a plain notebook, and write them."""
    if to is not None and in_place:
        raise click.UsageError("Give one of --to and --in-place.")
    target = notebook if in_place else to or notebook.with_name(f"{notebook.stem}_algorithm.ipynb")
    if target.exists() and not in_place and not dry_run:
        raise click.UsageError(f"{target} already exists. Choose another file with --to.")
    found = convert(notebook)
    for each in found.proposals:
        echo(f"cell {each.number}: {each.name or '-'} ({each.why})")
    if not dry_run:
        atomic.write(target, (json.dumps(found.document, indent=1, ensure_ascii=False) + "\n").encode())
        name = name_of(target)
        echo(f"Written: {target}" + (f", algo={name if quoted(name) == name else json.dumps(name)}" if name else ""))
    for function in found.missing:
        echo(f"{function}({', '.join(CALLS[function])}) is missing: define it in a cell named mltkc_{function}.")
    sys.exit(Exit.FAILED if found.missing else Exit.OK)
