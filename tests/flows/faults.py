"""Twenty faults of generated apps, each one edit of their text, and what ``dltk flow test`` says of it.

Half of them were found by reading the apps as an administrator; the others were made up since.
"""

from __future__ import annotations

from dataclasses import dataclass

SEARCHES, MACROS = "default/savedsearches.conf", "default/macros.conf"
OVERVIEW, REVIEW = "default/data/ui/views/overview.xml", "default/data/ui/views/review.xml"


@dataclass(frozen=True, slots=True)
class Fault:
    """In an app of `variant`, `old` becomes `new` in `file`; `said` is in the sentence of the fault."""

    variant: str
    file: str
    old: str
    new: str
    said: str
    days: int = 1


READ = {
    "the alert on failed applies looks at records that do not exist": Fault(
        "direct", SEARCHES, 'kind="run" | where scored<rows', 'kind="runs" | where scored<rows', "no alert of the app"
    ),
    "scoring reads twenty minutes of each hour": Fault(
        "direct", SEARCHES, "dispatch.earliest_time = -82m@m", "dispatch.earliest_time = -42m@m", "_gaps: fires"
    ),
    "scoring applies another model than is fitted": Fault(
        "direct", SEARCHES, "| apply app:`dltk_web_model`", "| apply app:web_v2", "web_v2"
    ),
    "training reads the summary of another flow": Fault(
        "events", MACROS, 'flow="web" feature_set', 'flow="wbe" feature_set', "the first training sent no rows"
    ),
    "the overview counts records of features, which say nothing of scoring": Fault(
        "events", OVERVIEW, r"kind=\"scored\"", r"kind=\"run\"", "says 'no run'"
    ),
    "the alert on gaps leaves out the open end": Fault(
        "direct", SEARCHES, "win_start=floor((now()-", "win_start=0*floor((now()-", "the scheduler stood still"
    ),
    "the sample leaves out what the model is sure of": Fault(
        "feedback",
        MACROS,
        "sampled=if(tonumber(substr(event_key,2,4),16)<1311,1,0)",
        "sampled=if(tonumber(substr(event_key,2,4),16)<1311 AND dga_score<0.3,1,0)",
        "_sample_quality: says tp, fp, fn",
        days=2,
    ),
    "scoring of a data model writes no run record": Fault(
        "datamodel", SEARCHES, "| appendpipe [ `dltk_web_run` ] ", "", "_gaps: fires"
    ),
    "training takes the labels of nobody": Fault(
        "feedback",
        SEARCHES,
        'where status="labelled" | eval person=1',
        'where status="skipped" | eval person=1',
        "no later training took them",
        days=2,
    ),
    "the lookup of labels hands them on under another name": Fault(
        "datamodel", MACROS, "OUTPUT verdict |", "OUTPUT verdict AS label |", "the first training sent no rows"
    ),
}
MADE_UP = {
    "scoring reads each hour before its last events have arrived": Fault(
        "direct",
        SEARCHES,
        "dispatch.earliest_time = -82m@m\ndispatch.latest_time = -22m@m",
        "dispatch.earliest_time = -60m@m\ndispatch.latest_time = @m",
        "are there later",
    ),
    "the report looks at a week before": Fault(
        "direct",
        SEARCHES,
        "dispatch.earliest_time = -1d@d\ndispatch.latest_time = @d",
        "dispatch.earliest_time = -9d@d\ndispatch.latest_time = -8d@d",
        "is empty",
    ),
    "nothing is ever called a finding": Fault(
        "direct", MACROS, "tonumber(predicted_y)>=0.5", "tonumber(predicted_y)>=5", "_found: never fired"
    ),
    "features go to an index that is not there": Fault(
        "events", SEARCHES, "collect index=`dltk_web_summary`", "collect index=web_summary", "web_summary"
    ),
    "rows without a prediction count as scored": Fault(
        "direct",
        SEARCHES,
        "isnotnull(event_key) AND isnotnull(predicted_y)",
        "isnotnull(event_key)",
        "that a dead container left without one",
    ),
    "all rows of a run have one key": Fault(
        "direct",
        SEARCHES,
        'substr(sha256("web|".entity."|".tostring(floor(_time))."|".event),1,32)',
        'substr(sha256("web|"),1,32)',
        "have the event_key of another one",
    ),
    "training learns from a field that nothing makes": Fault(
        "direct", SEARCHES, "y from f_len ", "y from f_lne ", "f_lne"
    ),
    "scoring looks back at half of the features": Fault(
        "events", SEARCHES, "dispatch.index_earliest = -62m@m", "dispatch.index_earliest = -32m@m", "_unscored: fires"
    ),
    "the queue shows what is judged already": Fault(
        "feedback", REVIEW, 'where isnull(label) OR label=""', "where isnotnull(label)", "queue_search: is empty"
    ),
    "a panel calls a macro that is not there": Fault(
        "direct", OVERVIEW, "`dltk_web_positive`", "`dltk_web_positiv`", "unknown macro"
    ),
}
FAULTS = READ | MADE_UP
