"""Installs what a volume's requirements.txt asks for beside the image's own libraries, once for each content.

The image's libraries are seen by pip and held at their versions (its lock is a constraint), so only what is missing is
installed, and nothing that the runtime needs can be replaced. A set that fails leaves the last one that worked in use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LOCK = Path("/opt/dltk/lock.txt")
LIMIT = 900  # seconds for one installation
_DONE = "installed.txt"  # written last: a folder without it is none


def installed(requirements: Path, folder: Path, say: Callable[[str], None], lock: Path = LOCK) -> Path | None:
    """The folder with the libraries of `requirements`, installed below `folder` when they are not there yet.

    Returns:
        None when they could not be installed, and no earlier ones were either.
    """
    wanted = folder / _key(requirements, lock)
    if (wanted / _DONE).is_file():
        say(f"{requirements}: installed by an earlier start")
        return wanted
    say(f"{requirements}: installing")
    try:
        _install(requirements, wanted, lock)
    except (OSError, subprocess.SubprocessError) as error:
        last = _last_good(folder)
        say(f"{requirements}: not installed: {_reason(error)}. " + _consequence(last))
        return last
    say(f"{requirements}: installed: {', '.join((wanted / _DONE).read_text().split()) or 'nothing was missing'}")
    return wanted


def _key(requirements: Path, lock: Path) -> str:
    """One name for each content, image and Python: libraries of another one may not fit."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    content = requirements.read_bytes() + b"\0" + lock.read_bytes()
    return f"{python}-{hashlib.sha256(content).hexdigest()[:16]}"


def _install(requirements: Path, wanted: Path, lock: Path) -> None:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=wanted.parent) as temporary:
        python, site = _environment(Path(temporary) / "environment")
        command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--no-input"]
        command += ["install", "--no-cache-dir", "--quiet", "--constraint", str(lock), "--requirement"]
        environ = {**os.environ, "TMPDIR": temporary}  # wheels may be larger than what /tmp holds in memory
        subprocess.run([*command, str(requirements)], check=True, capture_output=True, timeout=LIMIT, env=environ)
        (site / _DONE).write_text("".join(f"{path.stem}\n" for path in sorted(site.glob("*.dist-info"))))
        site.chmod(0o775)
        shutil.rmtree(wanted, ignore_errors=True)  # one that was left half removed
        try:
            site.rename(wanted)
        except OSError:
            if not (wanted / _DONE).is_file():  # no other container on this volume was faster
                raise


def _environment(folder: Path) -> tuple[Path, Path]:
    """A virtual environment that sees the image's libraries; its python and its folder of libraries."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    site = next(folder.glob("lib/python*/site-packages"))
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "image.pth").write_text(f"{ours}\n")
    return folder / "bin" / "python", site


def _last_good(folder: Path) -> Path | None:
    """The libraries of an earlier requirements.txt that were installed for this Python."""
    pattern = f"py{sys.version_info.major}{sys.version_info.minor}-*/{_DONE}"
    done = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    return done[-1].parent if done else None


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").split("\n")
        errors = [line.strip() for line in lines if line.startswith("ERROR:")]
        return " ".join(errors[-2:]) or f"pip ended with {error.returncode}"
    return str(error)


def _consequence(last: Path | None) -> str:
    if last is None:
        return "Notebooks that import these libraries will say so; everything else works."
    return f"Notebooks go on with the libraries that were installed last ({last})."
