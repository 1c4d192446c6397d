"""Write the acceptance app: saved searches, a dashboard, an export, an entry of a model, and the notebook beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dltk_runtime.acceptance.claims.claim import ALGORITHM, APP, MODEL, Claim, Flavour, Preparation
from dltk_runtime.acceptance.claims.table import PREPARATIONS, claims
from dltk_runtime.acceptance.notebook import notebook
from dltk_runtime.emulator.mltk import stub
from dltk_runtime.emulator.mltk.request import LIMITS
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.package import pack
from dltk_runtime.flows.render import render

TEMPLATES = Path(__file__).with_name("templates")
RELEASE = "1.0.0"  # of the app: the claims of one release are the same everywhere
CLASSES = {Flavour.DSDL: stub.DSDL, Flavour.AITK: stub.TOOLKIT}
DEFAULT_INDEX = "summary"
EXPORT = (
    f"| inputlookup {APP}_claims "
    f"| lookup local=true {APP}_results _key AS claim OUTPUT result seen checked_at "
    '| fillnull value="not run" result | fillnull value="" seen checked_at '
    "| table claim result seen text source checked_at"
)
_PLACES = {
    "app.conf": "default/app.conf",
    "macros.conf": "default/macros.conf",
    "collections.conf": "default/collections.conf",
    "transforms.conf": "default/transforms.conf",
    "overview.xml": "default/data/ui/views/overview.xml",
    "nav.xml": "default/data/ui/nav/default.xml",
    "default.meta": "metadata/default.meta",
    "README.md": "README.md",
}


def files(flavour: Flavour, index: str = DEFAULT_INDEX) -> dict[str, str]:
    """Return the files of the app: path below its folder → text."""
    made = {_PLACES[name]: render(name, _values(flavour, index), TEMPLATES) for name in _PLACES}
    made["default/savedsearches.conf"] = _saved(flavour)
    made[f"lookups/{APP}_claims.csv"] = _table(flavour)
    options = {"algo": ALGORITHM, "act": "facts"}
    shipped = stub.stub_of_model(CLASSES[flavour], f"{MODEL}shipped", options, ("x",), "y", LIMITS)
    made[f"lookups/{Stubs(Path()).path(shipped.name).name}"] = shipped.to_csv()
    return made


def write(folder: Path, flavour: Flavour, index: str = DEFAULT_INDEX, *, force: bool = False) -> list[Path]:
    """Write the app's folder, its package and the notebook into `folder`; return the three paths.

    Raises:
        FlowInvalid: they exist, and `force` is not set.
        OSError: a file cannot be written.
    """
    app, beside = folder / APP, folder / f"{ALGORITHM}.ipynb"
    if not force and (there := [path for path in (app, beside) if path.exists()]):
        raise FlowInvalid(f"{there[0]} exists already. Name another folder, or overwrite files with --force")
    for name, text in files(flavour, index).items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text, encoding="utf-8")
    beside.write_text(notebook(), encoding="utf-8")
    return [app, pack(App(app), folder), beside]


def _values(flavour: Flavour, index: str) -> dict[str, object]:
    known = claims(flavour)
    return {
        "app": APP,
        "release": RELEASE,
        "algorithm": CLASSES[flavour],
        "index": index,
        "export": EXPORT,
        "prefix": MODEL,
        "count": str(len(known)),
        "preparations": "\n".join(f"- `{each.saved}`: {each.text}" for each in PREPARATIONS),
        "claims": "\n".join(f"- `{each.saved}`: {each.text}. ({each.source})" for each in known),
    }


def _saved(flavour: Flavour) -> str:
    export = f"[{APP}_export]\ndescription = What can be sent: results without data\nsearch = {EXPORT}\n"
    stanzas = [*map(_preparation, PREPARATIONS), *map(_claim, claims(flavour))]
    return "\n".join([*stanzas, export + _range("-1h")])


def _preparation(each: Preparation) -> str:
    return f"[{each.saved}]\ndescription = Makes {each.text}\nsearch = {each.search}\n{_range('-1h')}"


def _claim(each: Claim) -> str:
    settings = {**({"disabled": "1"} if each.disabled else {}), **each.settings}
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return f"[{each.saved}]\ndescription = {each.text}\nsearch = {each.spl}\n{lines}{_range(each.earliest)}"


def _range(earliest: str) -> str:
    return f"dispatch.earliest_time = {earliest}\ndispatch.latest_time = now\n"


def _table(flavour: Flavour) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["claim", "text", "source"])
    writer.writerows([each.name, each.text, each.source] for each in claims(flavour))
    return text.getvalue()
