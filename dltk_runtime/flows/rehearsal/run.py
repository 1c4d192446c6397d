"""Run a rehearsal: start a runtime, run the searches, collect the faults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.flows import flow as flows
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.rehearsal import report, rows
from dltk_runtime.flows.rehearsal.adding import adder, unread
from dltk_runtime.flows.rehearsal.alarms import alarms, pause
from dltk_runtime.flows.rehearsal.challengers import miscounted
from dltk_runtime.flows.rehearsal.judge import look
from dltk_runtime.flows.rehearsal.knowledge import Knowledge, knowledge_of
from dltk_runtime.flows.rehearsal.people import reviewer
from dltk_runtime.flows.rehearsal.play import Player, RehearsalResult
from dltk_runtime.flows.rehearsal.quality import disagreements, unlearned
from dltk_runtime.flows.rehearsal.runtime import Runtime, serving
from dltk_runtime.flows.rehearsal.tuning import tuner, untuned
from dltk_runtime.flows.rehearsal.world import BEGIN, World, make_world
from dltk_runtime.names import STATUS
from dltk_runtime.paths import Paths
from dltk_runtime.units import DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A rehearsal of the apps in `folder`; `sample` is ``sample.csv`` there by default."""

    folder: Path
    notebooks: Path
    days: int = 2
    labels_a_day: int = 200
    sample: Path | None = None

    def run(
        self,
        progress: Callable[[str], None],
        finish: Callable[[World, RehearsalResult, Runtime, Knowledge], None],
    ) -> list[str]:
        """Run the rehearsal, call `finish` while the runtime still runs, and return the faults.

        Raises:
            FlowError: an app, ``flow.yaml`` or the sample is invalid, or the runtime does not
                answer.
        """
        apps = find_apps(self.folder)
        sample = self.sample or self.folder / "sample.csv"
        with tempfile.TemporaryDirectory(prefix="dltk-flow-") as name:
            home = Path(name)
            with serving(Paths(home=home / "home", notebooks=self.notebooks), home / "log") as runtime:
                world = make_world(apps, sample, runtime.client, home / "lookups")
                knowledge = self.knowledge(sample)
                people, person = reviewer(world, knowledge.truth), adder(world, knowledge)
                before = 2 if pause(world) >= DAY_SECONDS else 1  # the first day is whole on the second one
                player = Player(
                    world,
                    runtime,
                    people,
                    self.labels_a_day,
                    tuner(world, knowledge),
                    person,
                    before,
                    report=progress,
                )
                result = player.play(self.days)
                end = BEGIN + (self.days + before) * DAY_SECONDS
                figures = [
                    *disagreements(world, knowledge, end),
                    *miscounted(world, knowledge, end),
                    *rows.late(world, end),
                    *rows.repeated(world),
                    *(unread(world, person, end) if person else ()),
                    *rows.never_fired(world, result, knowledge),
                    *unlearned(result, sum(version.name.model != STATUS for version in runtime.versions())),
                ]
                verdict = look(world, end)
                result.not_shown.extend(verdict.not_run)
                finish(world, result, runtime, knowledge)
                figures += untuned(world, result.tuned)
                return [*report.faults(world, result, runtime), *verdict.faults, *alarms(world, end), *figures]

    def knowledge(self, sample: Path) -> Knowledge:
        """Read ``flow.yaml``, which a hand-written app lacks, and the labels in the sample."""
        path = self.folder / flows.FILE
        return knowledge_of(flows.read(path) if path.is_file() else None, sample)
