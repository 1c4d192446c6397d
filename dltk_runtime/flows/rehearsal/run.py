"""``dltk flow test`` from end to end."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.flows import flow as flows
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.rehearsal import report
from dltk_runtime.flows.rehearsal.people import reviewer
from dltk_runtime.flows.rehearsal.play import Played, Player
from dltk_runtime.flows.rehearsal.runtime import Runtime, serving
from dltk_runtime.flows.rehearsal.world import World, make_world
from dltk_runtime.paths import Paths


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is to be played: the apps below `folder`, with its ``sample.csv`` unless another is given."""

    folder: Path
    notebooks: Path
    days: int = 2
    labels_a_day: int = 200
    sample: Path | None = None

    def run(
        self, tell: Callable[[str], None], finish: Callable[[World, Played, Runtime, report.Knowledge], None]
    ) -> list[str]:
        """Play it and hand the end to `finish`, while the runtime is still there; what went wrong.

        Raises:
            FlowError: it cannot be played.
        """
        apps = find_apps(self.folder)
        sample = self.sample or self.folder / "sample.csv"
        with tempfile.TemporaryDirectory(prefix="dltk-flow-") as name:
            home = Path(name)
            with serving(Paths(home=home / "home", notebooks=self.notebooks), home / "log") as runtime:
                world = make_world(apps, sample, runtime.client, home / "lookups")
                knowledge = self.knowledge(sample)
                player = Player(world, runtime, reviewer(world, knowledge.truth), self.labels_a_day, tell=tell)
                played = player.play(self.days)
                finish(world, played, runtime, knowledge)
                return report.faults(world, played, runtime)

    def knowledge(self, sample: Path) -> report.Knowledge:
        """What ``flow.yaml`` and the sample say; a hand-made app has no ``flow.yaml``."""
        path = self.folder / flows.FILE
        if not path.is_file():
            return report.Knowledge(truth(sample))
        flow = flows.read(path)
        return report.Knowledge(truth(sample), flow.target, flow.positive, flow.metric)


def truth(sample: Path) -> dict[str, str]:
    """What the sample's column ``verdict`` says of each entity, its ``query`` or ``entity`` in small letters."""
    rows = csv.DictReader(sample.read_text(encoding="utf-8").splitlines())
    return {(row.get("entity") or row.get("query") or "").lower(): row["verdict"] for row in rows if row.get("verdict")}
