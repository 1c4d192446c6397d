"""``make appinspect``: splunk-appinspect and ``slim package`` over every app that ``dltk flow new`` and
``dltk splunk acceptance`` and ``dltk splunk reports`` write.

Both live in an environment of their own (old pins, a licence of Splunk's own). Exits non-zero when one of them finds
an error or a failure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DLTK = str(Path(sys.executable).with_name("dltk"))
TOOLS = ROOT / ".venv-appinspect" / "bin"
FLOWS = {
    "direct": ("direct",),
    "feedback": ("feedback",),
    "events": ("summary", "--source", "events"),
    "metrics": ("summary", "--source", "metrics"),
    "datamodel": ("summary", "--source", "datamodel"),
    "anomalies": ("direct", "--anomalies"),
    "tuned": ("summary", "--source", "metrics", "--anomalies"),
    "classes": ("direct", "--predicts", "class"),
    "models": ("summary", "--source", "datamodel", "--predicts", "class"),
    "numbers": ("summary", "--predicts", "number"),
    "additions": ("feedback", "--extras", "age_days"),
    "challenged": ("direct", "--native", "RandomForestClassifier"),
    "native": ("summary", "--native", "RandomForestClassifier", "--algorithm", ""),
}
TAGS = {"precert": (), "cloud": ("--included-tags", "cloud")}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dltk-appinspect-") as name:
        problems = [problem for package in packages(Path(name)) for problem in inspected(package)]
    for problem in problems:
        print(problem)
    print("No error, no failure." if not problems else f"{len(problems)} problems.")
    return 1 if problems else 0


def packages(folder: Path) -> Iterator[Path]:
    """The apps of every flow, packed; each also by slim, in a copy, since it leaves a manifest in the source folder."""
    for name, (kind, *options) in FLOWS.items():
        run(DLTK, "flow", "new", kind, name_of(name), "--defaults", "--to", str(folder / name), *options)
        run(DLTK, "flow", "package", str(folder / name))
        for app in sorted((folder / name).glob("dltk_flow_*/")):
            pack_by_slim(app, folder / name)
        yield from sorted((folder / name / "dist").glob("*.spl"))
    for flavour in ("dsdl", "aitk"):
        run(DLTK, "splunk", "acceptance", str(folder / flavour), "--flavour", flavour)
        pack_by_slim(folder / flavour / "dltk_acceptance", folder / flavour)
        yield from sorted((folder / flavour).glob("*.spl"))
    run(DLTK, "splunk", "reports", str(folder / "reports"))
    pack_by_slim(folder / "reports" / "dltk_reports", folder / "reports")
    yield from sorted((folder / "reports").glob("*.spl"))


def name_of(variant: str) -> str:
    """The name of a variant's flow; none may end in _metrics."""
    return f"{variant}_x"


def pack_by_slim(app: Path, folder: Path) -> None:
    """Let slim pack a copy of the app below `folder`."""
    copy = shutil.copytree(app, folder / "slim" / app.name)
    run(str(TOOLS / "slim"), "package", "-o", str(folder / "packed"), str(copy))


def inspected(package: Path) -> Iterator[str]:
    """What AppInspect found in a package, check by check."""
    for name, tags in TAGS.items():
        report = package.with_suffix(f".{name}.json")
        command = [str(TOOLS / "splunk-appinspect"), "inspect", str(package), "--mode", "precert", *tags]
        command += ["--data-format", "json", "--output-file", str(report)]
        subprocess.run(command, capture_output=True, text=True, check=False)
        found = json.loads(report.read_text(encoding="utf-8"))
        counts = found["summary"]
        print(
            f"{package.name:45} {name:8} "
            + ", ".join(f"{counts[key]} {key}" for key in ("error", "failure", "warning"))
        )
        checks = (check for each in found["reports"] for group in each["groups"] for check in group["checks"])
        for check in checks:
            said = f"{check['name']}: {[each['message'] for each in check['messages']]}"
            if check["result"] == "warning":
                print(f"  warning: {said}")
            elif check["result"] in ("error", "failure"):
                yield f"{package.name} {name}: {said}"


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
