"""Install the libraries of a volume's requirements.txt, once per content of that file.

pip sees the image's libraries and keeps their versions (the image's lock is a constraint), so it
installs only what is missing and cannot replace what the runtime needs. If an installation fails,
the libraries of the last successful one stay in use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from dltk_runtime.secret_names import variables_without_secrets

LOCK = Path("/opt/dltk/lock.txt")
INSTALL_SECONDS = 900
PYTHON = (sys.executable, "-I")  # imports nothing from the working folder, which is the volume
_MARKER = "installed.txt"  # written last; a folder without it is incomplete


def installed(requirements: Path, folder: Path, say: Callable[[str], None], lock: Path = LOCK) -> Path | None:
    """Install the libraries of `requirements` below `folder`, unless an earlier start did.

    Returns:
        The folder of the libraries: that of the last successful installation if this one fails,
        None if there is none.
    """
    wanted = folder / _key(requirements, lock)
    if (wanted / _MARKER).is_file():
        say(f"{requirements}: already installed by an earlier start")
        return wanted
    say(f"{requirements}: installing")
    try:
        _install(requirements, wanted, lock)
    except (OSError, subprocess.SubprocessError) as error:
        last = _last_good(folder)
        say(f"{requirements}: not installed: {_reason(error)}. " + _consequence(last))
        return last
    names = ", ".join((wanted / _MARKER).read_text().split())
    say(f"{requirements}: installed: {names or 'nothing, all are in the image'}")
    return wanted


def _key(requirements: Path, lock: Path) -> str:
    """Return a folder name that is unique per content, image and Python version."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    content = requirements.read_bytes() + b"\0" + lock.read_bytes()
    return f"{python}-{hashlib.sha256(content).hexdigest()[:16]}"


def _install(requirements: Path, wanted: Path, lock: Path) -> None:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=wanted.parent) as temporary:
        python, site = _environment(Path(temporary) / "environment")
        command = [*PYTHON, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--no-input"]
        command += ["install", "--no-cache-dir", "--quiet", "--constraint", str(lock), "--requirement"]
        environ = installers_environment(os.environ) | {"TMPDIR": temporary}  # wheels may not fit into a tmpfs
        subprocess.run(
            [*command, str(requirements)], check=True, capture_output=True, timeout=INSTALL_SECONDS, env=environ
        )
        (site / _MARKER).write_text("".join(f"{path.stem}\n" for path in sorted(site.glob("*.dist-info"))))
        site.chmod(0o770)
        shutil.rmtree(wanted, ignore_errors=True)  # an incomplete one
        try:
            site.rename(wanted)
        except OSError:
            if not (wanted / _MARKER).is_file():  # no other container installed it
                raise


def installers_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of pip: a package's own build code must see no secrets but pip's."""
    pips = {name: value for name, value in environ.items() if name.startswith("PIP_")}
    return variables_without_secrets(environ) | pips


def _environment(folder: Path) -> tuple[Path, Path]:
    """Create an environment with the image's libraries; return its python and site folder."""
    subprocess.run([*PYTHON, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    site = next(folder.glob("lib/python*/site-packages"))
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "image.pth").write_text(f"{ours}\n")
    return folder / "bin" / "python", site


def _last_good(folder: Path) -> Path | None:
    """Return the folder of the last successful installation for this Python version."""
    pattern = f"py{sys.version_info.major}{sys.version_info.minor}-*/{_MARKER}"
    done = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    return done[-1].parent if done else None


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").split("\n")
        errors = [line.strip() for line in lines if line.startswith("ERROR:")]
        return " ".join(errors[-2:]) or f"pip exited with {error.returncode}"
    return str(error)


def _consequence(last: Path | None) -> str:
    if last is None:
        return "Notebooks that import these libraries will fail; everything else works."
    return f"Notebooks use the libraries of the last successful installation ({last})."
