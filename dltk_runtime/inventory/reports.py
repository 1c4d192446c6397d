"""Write the app of reports: who fitted what, from which search, and what the fits of each token took.

The container's events know the token; the index ``_audit`` knows user, app and the whole search. They
are joined by the search's id where a request has brought one, and else by the last search before that names
the model. Of 56 recorded requests only one, of a client of 2019, has an id. ``audit.FIELDS`` has the names of
what is read of ``_audit``.
"""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.package import pack
from dltk_runtime.flows.render import render
from dltk_runtime.inventory.audit import FIELDS, INDEX, STARTED
from dltk_runtime.jobs.record import State
from dltk_runtime.splunk.events import SOURCETYPE

APP = "dltk_reports"
RELEASE = "1.0.0"  # of the app
DEFAULT_INDEX = "dltk"
TEMPLATES = Path(__file__).with_name("templates")
NEAR_SECONDS = 3600  # between the start of a search and that of its fit; a base search can take long
ENDED = ", ".join(f'"{state}"' for state in State if state.ended)
_PLACES = {
    "app.conf": "default/app.conf",
    "macros.conf": "default/macros.conf",
    "savedsearches.conf": "default/savedsearches.conf",
    "overview.xml": "default/data/ui/views/overview.xml",
    "nav.xml": "default/data/ui/nav/default.xml",
    "default.meta": "metadata/default.meta",
    "README.md": "README.md",
}

# Ends of jobs, each once: the collector may get an event twice.
JOBS = f'`{APP}_events` kind="job" state IN ({ENDED}) | dedup id'
SEARCHES = (
    f'search index={INDEX} {STARTED} | rex field={FIELDS.text} "(?i)\\binto\\s+(?:app:|user:)?(?<model>\\w+)" '
    f"| where isnotnull(model) "
    f'| eval part="search", asked=_time, sid=trim({FIELDS.sid},"\'"), user={FIELDS.user}, '
    f'app={FIELDS.app}, text=trim({FIELDS.text},"\'") '
    "| fields part asked sid model user app text"
)
FITS = (
    f'search {JOBS} | eval part="fit", asked=_time-coalesce(seconds,0)-coalesce(queue_seconds,0) '
    "| fields _time part asked sid job algorithm model version state owner person seconds queue_seconds gpu_seconds"
)
WHO = (
    f"{SEARCHES} | append [{FITS}] "
    "| eventstats values(user) AS by_user values(app) AS by_app values(text) AS by_text BY sid "
    "| sort 0 num(asked) -part "
    '| eval at=if(part="search",asked,null()) '
    "| streamstats last(user) AS near_user last(app) AS near_app last(text) AS near_text last(at) AS near_at BY model "
    '| where part="fit" '
    f"| eval near=if(asked-near_at<={NEAR_SECONDS},1,0), "
    'found=case(isnotnull(by_user),"by its id",near=1,"the last one that names the model",true(),"unknown") '
    "| eval user=coalesce(by_user,if(near=1,near_user,null())), app=coalesce(by_app,if(near=1,near_app,null())), "
    "text=coalesce(by_text,if(near=1,near_text,null())) "
    f"| rename found AS the_search, text AS {FIELDS.text} "
    "| sort 0 -_time "
    f"| table _time job algorithm model version state owner person user app the_search {FIELDS.text} "
    "seconds queue_seconds gpu_seconds"
)
TOOK = (
    f'search {JOBS} | fillnull value="unknown" owner '
    "| stats count AS fits sum(gpu_seconds) AS gpu_seconds sum(queue_seconds) AS queue_seconds "
    "max(queue_seconds) AS longest_queue sum(seconds) AS seconds BY owner "
    "| fillnull value=0 gpu_seconds queue_seconds longest_queue seconds | sort 0 -gpu_seconds -seconds"
)
CHANGED = (
    f'search `{APP}_events` kind IN ("promotion", "deletion") | dedup id | sort 0 -_time '
    "| table _time kind how current algorithm model version owner person reason sid"
)
REPORTS = {f"{APP}_who": WHO, f"{APP}_took": TOOK, f"{APP}_changed": CHANGED}


def files(index: str = DEFAULT_INDEX) -> dict[str, str]:
    """Return the files of the app: path below its folder → text."""
    values = {"app": APP, "release": RELEASE, "index": index, "sourcetype": SOURCETYPE, "near": str(NEAR_SECONDS)}
    values |= {"audit": INDEX, "who": WHO, "took": TOOK, "changed": CHANGED}
    return {place: render(name, values, TEMPLATES) for name, place in _PLACES.items()}


def write(folder: Path, index: str = DEFAULT_INDEX, *, force: bool = False) -> list[Path]:
    """Write the app's folder and its package into `folder`; return the two paths.

    Raises:
        FlowInvalid: it exists, and `force` is not set.
        OSError: a file cannot be written.
    """
    app = folder / APP
    if app.exists() and not force:
        raise FlowInvalid(f"{app} exists already. Name another folder, or overwrite files with --force")
    for name, text in files(index).items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text, encoding="utf-8")
    return [app, pack(App(app), folder)]
