"""Break a flow on purpose, and expect the right alert each time, and none otherwise.

::

    a late source        events arrive after their window was read    an alert, none of container or scheduler
    a dead container     applies without an answer                    an alert, none of scheduler or source
    a scheduler at rest  nothing starts for hours                     an alert, none of container or source
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import pandas as pd

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk.grammar import parse_apply
from dltk_runtime.emulator.standin import Window, epoch
from dltk_runtime.flows import cron
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.hearing import is_alert
from dltk_runtime.flows.rehearsal.world import BEGIN, SAMPLE_INDEX, World
from dltk_runtime.flows.spl import has_command, stages
from dltk_runtime.names import STATUS
from dltk_runtime.units import DAY_SECONDS

STANDSTILL_SECONDS = 6 * 3600
# From the run of a search to the run of the alert that looks at it.
ALERT_SECONDS = 900
ARRIVAL_SECONDS = 600  # of late events, before the alert runs
MAX_LATE_EVENTS = 100
UNANSWERED_URL = "http://127.0.0.1:9"  # a port on which nothing listens
# Endings of the names of alerts, and what each is of.
CONTAINER, SOURCE, SCHEDULER = "_health", "_late", {"_gaps": "scheduler", "_incomplete": "scheduler"}


@dataclass(frozen=True, slots=True)
class Broken:
    """What was broken, and the endings of the names of alerts that are of something else, which has a name."""

    what: str
    others: Mapping[str, str]


_LATE = Broken("the source was late", {CONTAINER: "container", **SCHEDULER})
_DEAD = Broken("a dead container left rows without a prediction", {SOURCE: "source", **SCHEDULER})
_STILL = Broken("the scheduler stood still", {CONTAINER: "container", SOURCE: "source"})


def alarms(world: World, now: float) -> Iterator[str]:
    """Break the source, the container, then the scheduler, and yield each alert that is missing or wrong."""
    if not nothing_late(world):
        yield from _late_source(world, now)
    yield from _dead_container(world, now)
    yield from _still_scheduler(world, now)


def nothing_late(world: World) -> str:
    """Return why no late source can be tried; "" where it can."""
    if not reading(world):
        return "no search of a schedule reads the source by a macro that ends in _base"
    heads = [each.text for name, each in world.replaced.items() if name.endswith("_base")]
    summarised = any("tstats" in head for head in heads)
    return "an accelerated data model does not say when events arrived" if summarised else ""


def reading(world: World) -> list[AppSearch]:
    """Return the scheduled searches that read the source's events and write what they make of them."""
    sources = [macro.definition for name, macro in world.app.macros.items() if name.endswith("_base")]
    texts = [(each, world.app.readable(each)) for each in world.app.searches if each.scheduled]
    return [
        each
        for each, text in texts
        if has_command(text, "collect", "mcollect") and any(source in text for source in sources)
    ]


def _late_source(world: World, now: float) -> Iterator[str]:
    """Let events of the last day arrive again, from before all windows that are still to be read."""
    quiet = fired(world, now + ALERT_SECONDS)
    arrival = now + ALERT_SECONDS - ARRIVAL_SECONDS
    begins = [epoch(each.stanza.get("dispatch.earliest_time"), arrival) for each in reading(world)]
    earlier = arrival - min(begins) + DAY_SECONDS
    index = world.storage.indexes[SAMPLE_INDEX]
    for event in list(islice(index.events(Window(now - DAY_SECONDS, now)), MAX_LATE_EVENTS)):
        index.add(replace(event, time=event.time - earlier, indexed=arrival))
    yield from _heard(_LATE, quiet, fired(world, now + ALERT_SECONDS), "the app")


def _dead_container(world: World, now: float) -> Iterator[str]:
    """Let each scoring search of the schedule run without a container."""
    dead = world.calling(replace(world.context.mltk.client, url=UNANSWERED_URL))
    quiet = fired(world, now + ALERT_SECONDS)
    for search in (each for each in world.app.searches if each.scheduled and scores(world, each)):
        own = [world.context.mltk.kept.path(model).is_file() for model in _applied(world, search)]
        if own and all(own):
            continue  # by algorithms of the toolkit, which need no container
        before = len(world.predictions())
        dead.run(search, now, _newest(search, now))
        heard = fired(world, now + ALERT_SECONDS)
        yield from _heard(_DEAD, quiet, heard, search.name)
        if len(world.predictions()) > before and not any(own):
            yield f"{search.name}: writes rows as predictions that a dead container left without one"
        quiet = heard


def _still_scheduler(world: World, now: float) -> Iterator[str]:
    """Let no search start for hours."""
    if any(each.scheduled and scores(world, each) for each in world.app.searches):
        still = max(STANDSTILL_SECONDS, 4 * pause(world))
        yield from _heard(_STILL, {}, fired(world, now + still), f"{still / 3600:.0f} hours")


def _heard(broken: Broken, quiet: Mapping[str, str], heard: Mapping[str, str], where: str) -> Iterator[str]:
    """Yield that no alert has fired since `quiet`, or that one fires which is of something else."""
    # The alert on findings may fire anyway, and one on several searches fires since the one before.
    if all(quiet.get(name) == rows for name, rows in heard.items()):
        yield f"{where}: {broken.what}, and no alert of the app fires"
    for name in sorted(heard.keys() - quiet.keys()):
        whose = next((each for ending, each in broken.others.items() if name.endswith(ending)), "")
        if whose:
            yield f"{where}: {broken.what}, and {name} fires, which is of the {whose}"


def fired(world: World, now: float) -> dict[str, str]:
    """Return the rows, as CSV, of each alert that fires at `now`."""
    found = {alert.name: alert_rows(world, alert, now) for alert in alerts(world)}
    return {name: rows.to_csv(index=False) for name, rows in found.items() if len(rows)}


def alerts(world: World) -> list[AppSearch]:
    """Return the scheduled alerts of the app."""
    return [each for each in world.app.searches if each.scheduled and is_alert(each.stanza)]


def alert_rows(world: World, search: AppSearch, now: float) -> pd.DataFrame:
    """Return the rows for which an alert fires at `now`; none where it cannot run here."""
    try:
        return world.run(search, now).frame
    except SearchError:
        return pd.DataFrame()  # named among what is not run


def pause(world: World) -> float:
    """Return the longest time between two starts of a search that writes rows or predictions, in seconds."""
    writing = [each for each in world.app.searches if each.scheduled and (scores(world, each) or _stores(each))]
    schedules = [each.stanza.get("cron_schedule") for each in writing]
    return max((cron.longest_pause(each, BEGIN, BEGIN + 3 * DAY_SECONDS) for each in schedules), default=0.0)


def scores(world: World, search: AppSearch) -> bool:
    """Return whether a search applies a model and writes what it answers."""
    text = world.app.readable(search)
    return has_command(text, "apply") and has_command(text, "collect") and STATUS not in text


def _applied(world: World, search: AppSearch) -> list[str]:
    """Return the models that a search applies."""
    found = [each for each in stages(world.app.readable(search)) if each.name == "apply"]
    return [parse_apply(each.arguments).model for each in found]


def _stores(search: AppSearch) -> bool:
    return 'kind="row"' in search.text


def _newest(search: AppSearch, now: float) -> Window:
    """Return a window in which the search finds rows: the last day, by the time that it goes by."""
    if search.stanza.get("dispatch.index_earliest"):
        return Window(now - 7 * DAY_SECONDS, now, now - DAY_SECONDS, now)
    return Window(now - DAY_SECONDS, now)
