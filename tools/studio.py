"""``make studio``: the dashboards of every flow, by the schemas of Splunk's own packages for Dashboard Studio.

The packages (npm, Apache-2.0) are installed into ``.node-studio``, without their scripts, and shipped nowhere. They run
in Node without a page. The table of `dltk_runtime.flows.studio` is compared with their schemas, too. Exits non-zero
when there is a problem.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dltk_runtime.flows.studio.definition import definition  # noqa: E402 - after the path
from dltk_runtime.flows.studio.table import table  # noqa: E402
from tests.flows.variants import VARIANTS  # noqa: E402

DLTK = str(Path(sys.executable).with_name("dltk"))
PACKAGES = (
    "@splunk/dashboard-definition@29.6.0",
    "@splunk/dashboard-validation@29.6.0",
    "@splunk/visualization-schemas@28.6.0",
    "react@18.3.1",  # which they import; nothing is drawn
)
NODE = ROOT / ".node-studio"


def main() -> int:
    if not (NODE / "node_modules" / "@splunk" / "dashboard-validation").is_dir():
        install = ["npm", "install", "--prefix", str(NODE), "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*install, *PACKAGES], check=True)
    with tempfile.TemporaryDirectory(prefix="dltk-studio-") as name:
        given = Path(name) / "given.json"
        made = definitions(Path(name))
        options = {kind: sorted(names) for kind, names in table().options.items()}
        given.write_text(json.dumps({"definitions": made, "options": options}), encoding="utf-8")
        script = NODE / "studio.cjs"
        script.write_bytes((ROOT / "tools" / "studio.cjs").read_bytes())  # modules are found beside it
        problems = subprocess.run(
            ["node", script, given], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    print(*problems, f"{len(made)} dashboards, {len(problems)} problems.", sep="\n")
    return 1 if problems else 0


def definitions(folder: Path) -> dict[str, object]:
    """Return the Studio dashboards of every variant by name."""
    found: dict[str, object] = {}
    for number, (kind, *options) in enumerate([*VARIANTS.values(), ("feedback",)]):
        to = folder / str(number)
        subprocess.run(
            [DLTK, "flow", "new", kind, "x", "--defaults", "--to", to, *options], check=True, capture_output=True
        )
        for path in sorted(to.glob("*/default/data/ui/views/*.xml")):
            content = definition(ET.parse(path).getroot())
            if content is not None:
                found[f"{kind} {' '.join(options)} {path.stem}"] = content
    return found


if __name__ == "__main__":
    sys.exit(main())
