"""The folders of tracking.

::

    <home>/tracking/
        queue/                what is to be sent, one line each: `splunk.spool`
        champions.json        the version of each tracked model that was reported as current last
        runs/<job>/
            run.json          `facts.RunFacts`
            version.json      `facts.VersionFacts`, once a version is committed
            server.json       the run's id at the server, written by the helper process
            steps.jsonl       the metrics of each reported step
            new_steps.jsonl   those that are sent now, while the fit runs
            sent_steps        how many were, written by the helper process
            artifacts/        files of the run
            mlruns/           what the fit's own process logged, where it got no server
            ended             its end is in the queue

A run's folder is removed when its end was sent.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.files import atomic


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def job(self) -> str:
        return self.path.name

    @property
    def facts(self) -> Path:
        return self.path / "run.json"

    @property
    def version(self) -> Path:
        return self.path / "version.json"

    @property
    def server(self) -> Path:
        return self.path / "server.json"

    @property
    def steps(self) -> Path:
        return self.path / "steps.jsonl"

    @property
    def new_steps(self) -> Path:
        return self.path / "new_steps.jsonl"

    @property
    def sent_steps(self) -> Path:
        return self.path / "sent_steps"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def logged(self) -> Path:
        return self.path / "mlruns"

    @property
    def ended(self) -> Path:
        return self.path / "ended"

    def size(self) -> int:
        """Return the bytes of all its files."""
        return sum(_size(path) for path in self.path.rglob("*"))

    def lighten(self) -> None:
        """Remove what may be large: artifacts, and what the fit's own process logged. Never raises."""
        for each in (self.artifacts, self.logged):
            shutil.rmtree(each, ignore_errors=True)

    def remove(self) -> None:
        """Remove it. Never raises."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class WaitingFolder:
    """The folder of all that waits for the server."""

    root: Path

    @property
    def queue(self) -> Path:
        return self.root / "queue"

    @property
    def champions(self) -> Path:
        return self.root / "champions.json"

    def run(self, job: str) -> RunFolder:
        """Return the folder of a job's run, whether it exists or not."""
        return RunFolder(self.root / "runs" / job)

    def runs(self) -> Iterator[RunFolder]:
        """Yield the folders of all runs, oldest first."""
        for job in sorted(atomic.names_in(self.root / "runs")):
            yield self.run(job)


def keep(source: Path, target: Path) -> None:
    """Have the content of `source` in `target` also after `source` is removed.

    A hard link where the disk has them, else a copy.

    Raises:
        OSError: it cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise
    except OSError:
        atomic.copy(source, target)


def drop_links(root: Path) -> None:
    """Remove what is neither file nor folder from a tree that notebooks may write, and `root` if it is a link.

    A client that sends the tree would follow links to files that notebooks cannot read, and wait for pipes.

    Raises:
        OSError: something cannot be removed.
    """
    if root.is_symlink():
        root.unlink(missing_ok=True)
    for parent, folders, names in os.walk(root):
        for path in (Path(parent, name) for name in (*folders, *names)):
            if not stat.S_ISDIR(kind := path.lstat().st_mode) and not stat.S_ISREG(kind):
                path.unlink()


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        found = path.lstat()
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0
