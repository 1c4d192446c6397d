"""The image's process tree without the image: its paths, user and process 1, in namespaces of their own.

``/opt/dltk`` holds this environment and checkout as the Dockerfile lays them out, with the same modes;
`container/start.py` is process 1, user 1001 and group 0 as in the image, and a real s6 follows it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.service import ROOT, until

SEES = "/opt/checkout/tests/container/sees.py"
USER = ("setpriv", "--reuid", "1001", "--regid", "0", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
NAMESPACES = ("--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child", "--propagation", "private")

LAY_OUT = """
set -eu
umask 022
ip link set lo up
mkdir -p "$FOLDER/opt" "$FOLDER/tmp" "$FOLDER/srv"
opt="$FOLDER/opt"
mkdir -p "$opt/python" "$opt/checkout" "$opt/dltk/bin" "$opt/dltk/lib/$PYTHON/site-packages" "$opt/s6" "$opt/notebooks"
number=0
for folder in $PACKAGES; do
    number=$((number + 1))
    mkdir -p "$opt/packages$number"
    mount --bind "$folder" "$opt/packages$number"
    echo "/opt/packages$number" >> "$opt/dltk/lib/$PYTHON/site-packages/packages.pth"
done
echo /opt/checkout > "$opt/dltk/lib/$PYTHON/site-packages/checkout.pth"
mount --bind "$PREFIX" "$opt/python"
mount --bind "$CHECKOUT" "$opt/checkout"
echo "home = /opt/python/bin" > "$opt/dltk/pyvenv.cfg"
ln -s "/opt/python/bin/$PYTHON" "$opt/dltk/bin/python3"
install -m 711 "$opt/python/bin/$PYTHON" "$opt/dltk/bin/python3-sealed"
cp -r "$opt/checkout/container" "$opt/dltk/container"
mkdir "$opt/dltk/notebooks"
cp "$NOTEBOOKS"/* "$opt/dltk/notebooks/"
for program in s6-svscan s6-supervise; do
    cp "/usr/bin/$program" "$opt/s6/"
    chmod 711 "$opt/s6/$program"
    mount --bind "$opt/s6/$program" "/usr/bin/$program"
done
mkdir -p /srv
mount --bind "$FOLDER/srv" /srv
mount --rbind "$opt" /opt
mount --bind "$FOLDER/tmp" /tmp
chown 1001:0 /srv /tmp
cd /srv
exec "$@"
"""


class Machine:
    """A container's process tree; `variables` are those of the container."""

    def __init__(self, folder: Path, notebooks: Path, **variables: str) -> None:
        self._log = folder / "log"
        self.volume = folder / "srv"
        packages = [path for path in sys.path if path.endswith("site-packages")]
        lay_out = {
            "FOLDER": str(folder),
            "PACKAGES": " ".join(packages),
            "PREFIX": sys.base_prefix,
            "PYTHON": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "CHECKOUT": str(ROOT),
            "NOTEBOOKS": str(notebooks),
            "PATH": os.environ["PATH"],
        }
        command = ["sh", "-c", LAY_OUT, "sh", *USER, "env", "-i", *_pairs(IMAGE | variables)]
        command += ["python3", "-I", "/opt/dltk/container/start.py"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", *NAMESPACES, "--", *command], env=lay_out, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The kernel forgets that process 1 should end with its parent when that changes its user.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for first in children.read_text().split() if children.exists() else ():
            os.kill(int(first), signal.SIGKILL)  # and with it, its namespace
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        """Return what process 1 and the services have printed."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 240) -> None:
        """Wait until the log has `text`."""
        until(lambda: text in self.log() or self._process.poll() is not None, seconds)
        assert text in self.log(), self.log()[-4000:]

    def sees(self, action: str = "--processes", *arguments: str) -> Any:
        """Return what `sees.py` prints, run as the user of notebooks."""
        return self._sees(USER, action, *arguments)

    def sees_as_root(self) -> Any:
        """Return what `sees.py` prints, run by root."""
        return self._sees((), "--processes")

    @contextlib.contextmanager
    def started(self, variables: Mapping[str, str], *command: str) -> Iterator[None]:
        """Run a command inside as the engine does, until the end of the block."""
        inside = [*self._enter(USER), "env", "-i", *_pairs(IMAGE | variables), *command]
        with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()

    def _sees(self, user: Sequence[str], *action: str) -> Any:
        command = [*self._enter(user), "env", "-i", *_pairs(IMAGE), "python3", "-I", SEES, *action]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr + self.log()[-4000:]
        return json.loads(done.stdout)

    def _enter(self, user: Sequence[str]) -> list[str]:
        """Return the beginning of a command that runs beside process 1."""
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0]
        return ["nsenter", "--target", first, "--mount", "--pid", "--net", "--", *user]


IMAGE = {
    "PATH": "/opt/dltk/container/bin:/opt/dltk/bin:/usr/local/bin:/usr/bin:/bin",
    "LD_LIBRARY_PATH": "/opt/python/lib",  # this Python may have its library in a folder that only root can enter
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",
    "USER": "dltk",
    "LOGNAME": "dltk",
    "DLTK_HOME": "/srv",
    "DLTK_NOTEBOOKS": "/srv/notebooks",
    "DLTK_HOST": "0.0.0.0",
    "DLTK_UMASK": "007",
    "ENABLE_HTTPS": "true",
}


def _pairs(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
