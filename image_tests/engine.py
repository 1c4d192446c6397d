"""podman without a daemon or a registry, with all its files in one folder.

Without access to a registry, a Debian built here gets the name of the public base image, so that
the Dockerfile is used unchanged. It has this machine's certificates and pip configuration.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASE = "docker.io/library/python:3.11-slim-bookworm"
PACKAGES = ("podman", "buildah", "runc", "mmdebstrap", "catatonit", "openssl")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


# Prints every installed file whose content differs from its package's list, as another package
# has overwritten it.
REPLACED = """
import base64, hashlib, importlib.metadata as metadata
for package in metadata.distributions():
    for file in package.files or ():
        if file.hash:
            digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                print(package.name, file)
"""


class Engine:
    """podman with its own store and configuration in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        containers, storage = folder / "containers.conf", folder / "storage.conf"
        # runc, as crun refuses hosts with both versions of cgroups. The limit on files is set, as
        # podman's default may be refused.
        containers.write_text(
            f'[containers]\ndefault_ulimits = ["nofile={limit}:{limit}", "nproc=16384:16384"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
        self.environ = {
            **os.environ,
            "CONTAINERS_CONF": str(containers),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "TMPDIR": str(folder),
        }

    def podman(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run podman.

        Raises:
            AssertionError: it failed, with what it said.
        """
        command = ["podman", *arguments]
        # In its folder: conmon leaves an empty file where it was started when a container lacks memory.
        options: dict[str, Any] = {"env": self.environ, "cwd": self._folder, "capture_output": True, "text": True}
        done = subprocess.run(command, **options, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done

    def build(self, variant: str, name: str = "", *options: str, context: Path = ROOT) -> str:
        """Build a variant of the image from the checkout or from `context`; return its tag."""
        tag = f"localhost/dltk:{name or variant}"
        # Never pull: the base image is local, and podman would ask the registry for a newer one.
        command = ["build", "--format", "docker", "--pull=never", "--build-arg", f"VARIANT={variant}", "--tag", tag]
        command += [f"--volume={folder}:{folder}:ro" for folder in _wheels(_pip_configuration())]
        self.podman(*command, *options, str(context), timeout=3600)
        return tag

    def inside(self, tag: str, script: str) -> list[str]:
        """Run a shell script in the image as root, without its entry point; return the lines."""
        command = ["run", "--rm", "--user", "0", "--network", "none", "--no-healthcheck", "--entrypoint", "sh"]
        return self.podman(*command, tag, "-c", script).stdout.splitlines()

    def replaced_files(self, tag: str) -> list[str]:
        """Return package and path of each file that another package has overwritten."""
        return self.inside(tag, f"/opt/dltk/bin/python3 -c '{REPLACED}'")

    def make_base(self) -> None:
        """Return the base image; build it from Debian's packages if it is missing."""
        if self.podman("image", "exists", BASE, check=False).returncode == 0:
            return
        archive, pip = self._folder / "base.tar", self._folder / "pip.conf"
        pip.write_text(_as_file(_pip_configuration()))
        root = _merged_root(self._folder / "overlay", [CERTIFICATES, *_files(_pip_configuration())], pip)
        hooks = [
            'for name in python python3; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done',
            'ln -s /usr/bin/pip3 "$1/usr/local/bin/pip"',
            'rm -rf "$1"/usr/lib/python3*/EXTERNALLY-MANAGED "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
            f'cp -a "{root}/." "$1/"',
        ]
        command = ["mmdebstrap", "--mode=root", "--variant=apt", "--quiet"]
        command += ["--include=ca-certificates,python3,python3-venv,python3-pip"]
        command += [f"--customize-hook={hook}" for hook in hooks]
        subprocess.run([*command, "bookworm", str(archive)], env=self.environ, check=True, timeout=900)
        self.podman("import", str(archive), BASE)
        archive.unlink()

    def close(self) -> None:
        """Stop all containers. The caller removes the folder."""
        self.podman("rm", "--all", "--force", "--time", "0", "--volumes", check=False)
        self.podman("volume", "prune", "--force", check=False)


def install(*packages: str) -> None:
    """Install Debian packages if they are missing."""
    subprocess.run(["sh", str(ROOT / "tools" / "debian.sh"), *packages], check=True)


@contextmanager
def engine(store: Path | None) -> Iterator[Engine]:
    """Provide an engine with its base image; remove all files unless there is a `store`."""
    install(*PACKAGES)
    folder = store or Path(tempfile.mkdtemp(prefix="dltk-image-", dir="/var/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    made = Engine(folder)
    try:
        made.make_base()
        yield made
    finally:
        made.close()
        if store is None:
            made.podman("rmi", "--all", "--force", check=False)
            _unmount(folder)
            shutil.rmtree(folder)


def _unmount(folder: Path) -> None:
    """Unmount what an interrupted build left in `folder`, the innermost mounts first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((each for each in points if Path(each).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", point], check=False, capture_output=True)


def _pip_configuration() -> Mapping[str, str]:
    """Return pip's configuration on this machine, from variables and files."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = re.findall(r"^(?::env:\.|global\.)([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return {name: value for name, value in pairs if name not in {"disable-pip-version-check", "target"}}


def _as_file(configuration: Mapping[str, str]) -> str:
    lines = (f"{name} = " + "\n    ".join(value.split()) for name, value in configuration.items())
    return "\n".join(["[global]", *lines]) + "\n"


def _places(configuration: Mapping[str, str]) -> Iterator[Path]:
    for word in " ".join(configuration.values()).replace("\\n", " ").split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            yield path


def _files(configuration: Mapping[str, str]) -> list[Path]:
    return [path for path in _places(configuration) if path.is_file()]


def _wheels(configuration: Mapping[str, str]) -> Sequence[Path]:
    """Return the folders with wheels; those of an index are beside its folder `simple`."""
    folders = {path.parent if path.name == "simple" else path for path in _places(configuration) if path.is_dir()}
    return sorted(folders)


def _merged_root(folder: Path, files: Sequence[Path], pip: Path) -> Path:
    """Create a folder tree to copy over the base image."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        target = folder / file.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (folder / "etc").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pip, folder / "etc" / "pip.conf")
    return folder
