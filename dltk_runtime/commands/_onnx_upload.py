"""``dltk models upload``: an ONNX file to the AI Toolkit of a search head."""

from __future__ import annotations

from pathlib import Path

import click

from dltk_runtime.commands._terminal import echo
from dltk_runtime.units import MIB

MAX_MB = 30  # max_model_size_mb of the AI Toolkit, unless its administrator changed it


@click.command(short_help="Upload an ONNX file to the AI Toolkit of a search head.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "name", help="Name of the model there.  [default: that of the file]")
@click.option(
    "--max-mb",
    type=click.IntRange(min=1),
    default=MAX_MB,
    show_default=True,
    help="The toolkit's max_model_size_mb: of the file as base64.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def upload(file: Path, name: str | None, max_mb: int, dry_run: bool) -> None:
    """Upload FILE, which 'dltk models export --onnx' wrote, for | apply onnx:NAME on a search head.

    The connection is given by splunk_access_… in the environment. The token's owner needs the capabilities
    upload_lookup_files and upload_onnx_model_file. No search head was asked in our tests: the request is the one that
    the toolkit's published code takes; what it answers was not seen, and is printed as it comes.
    """
    from dltk_runtime.onnx.graph import Graph
    from dltk_runtime.splunk.connection import Connection
    from dltk_runtime.splunk.model_upload import APP, CAPABILITIES, ENDPOINT, ModelUpload

    graph = Graph.read(file)
    made = ModelUpload(file.read_bytes(), name or file.stem, graph.features, [graph.target] if graph.target else [])
    made.check(max_mb * MIB)
    echo(
        f"{file.name} as {made.name}: {made.encoded_bytes:,} bytes as base64, of {max_mb * MIB:,} (max_model_size_mb)."
    )
    echo(f"features {made.fields['features']}; target {made.fields['targets'] or '(none)'}")
    echo(f"POST {APP}/{ENDPOINT}, which needs the capabilities {' and '.join(CAPABILITIES)}.")
    if dry_run:
        return
    answer = made.send(Connection.from_env(APP))
    echo(f"Splunk took it and answered: {answer[:1000] or '(nothing)'}")
    echo(f"Try it there: | apply onnx:{made.name}")
