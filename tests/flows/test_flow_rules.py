"""Each rule of ``dltk flow check``: the generated apps break none, and one small change breaks each."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.flow import FILE, Flow, text_of
from dltk_runtime.flows.generate import files as app_files
from dltk_runtime.flows.rules import RULES, check
from tests.flows.helpers import flow_of

SEARCHES, MACROS, APP = "default/savedsearches.conf", "default/macros.conf", "default/app.conf"
VIEW = "default/data/ui/views/review.xml"
ROLES, META, INDEXES = "default/authorize.conf", "metadata/default.meta", "default/indexes.conf"
COLLECTIONS, TRANSFORMS = "default/collections.conf", "default/transforms.conf"
OPENED = "<row><panel><table><search><query>| makeresults | collect index=x</query></search></table></panel>"
OTHER = (
    "[other]\nsearch = index=a | fit `dltk_x_algo` `dltk_x_fit` y from f_len into app:x_v1 | stats count AS rows_sent\n"
)
STUDIO = (
    '<dashboard version="2"><definition>{"dataSources": {"ds_a": {"type": "ds.search", "options": {"query": '
    '"| makeresults | outputlookup x.csv"}}}}</definition></dashboard>'
)
OVERVIEW, QUALITY = "default/data/ui/views/overview.xml", "default/data/ui/views/quality.xml"
GOOD = "eval good=if(isnotnull(event_key) AND isnotnull(predicted_y) AND isnotnull(rows_in),1,0)"

# number: kind of flow, file, what stands there ("" appends), what stands there instead
BROKEN: dict[int, tuple[str, str, str, str]] = {
    101: ("direct", SEARCHES, GOOD, "eval good=1"),
    102: ("direct", SEARCHES, "| fillnull value=0 f_len f_digits f_vowels \\\n| eventstats", "| eventstats"),
    103: ("direct", SEARCHES, 'event_key="k".substr', "event_key=substr"),
    104: ("direct", SEARCHES, "| eventstats", '| eval label="a" \\\n| eventstats'),
    105: ("direct", MACROS, "definition = x_v1", "definition = x"),
    106: ("direct", MACROS, "with_version=t", "with_version=t feature_set=v1"),
    107: ("direct", SEARCHES, "| where isnotnull(y)", "| sample partitions=10 | where partition_number<8"),
    108: ("direct", SEARCHES, " \\\n| stats count AS rows_sent", ""),
    109: ("direct", SEARCHES, "sha256(", "md5("),
    110: ("feedback", VIEW, "<row>", OPENED),
    111: ("direct", ROLES, "list_storage_passwords = enabled", ""),
    112: ("direct", "default/containers.conf", "", "[__dev__]\n"),
    113: ("direct", SEARCHES, "", OTHER),
    114: ("direct", "default/data/ui/views/status.xml", "app:dltk_status", "app:other"),
    115: ("direct", SEARCHES, "from f_len f_digits f_vowels into", "from f_* into"),
    116: ("metrics", ROLES, "dltk_x;dltk_x_metrics", "dltk_x"),
    117: ("direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ admin, sc_admin ]"),
    118: ("direct", SEARCHES, "| apply app:`dltk_x_model`", "| apply app:x_v2"),
    119: ("anomalies", MACROS, "coalesce(predicted_outlier,predicted_None)", "predicted_outlier"),
    201: ("direct", SEARCHES, "realtime_schedule = 0", ""),
    202: ("direct", SEARCHES, "schedule_window = 0", "schedule_window = auto"),
    203: ("direct", SEARCHES, "allow_skew = 0", "allow_skew = 50%"),
    204: ("direct", SEARCHES, "max_concurrent = 1", "max_concurrent = 2"),
    205: ("direct", SEARCHES, "dispatch.allow_partial_results = false", ""),
    206: ("direct", SEARCHES, "durable.track_time_type = _time", ""),
    207: ("direct", SEARCHES, "durable.backfill_type = time_interval", ""),
    208: ("direct", SEARCHES, "durable.lag_time = 0", "durable.lag_time = 60"),
    209: ("direct", SEARCHES, "-12m@m", "-17m@m"),
    210: ("direct", SEARCHES, "dispatch.latest_time = -7m@m", "dispatch.latest_time = now"),
    211: ("direct", SEARCHES, "-12m@m", "-10m@5m"),
    212: ("direct", SEARCHES, "2-59/5 * * * *", "* * * * *"),
    213: ("direct", SEARCHES, "dispatch.earliest_time = -30d@h", ""),
    214: ("summary", SEARCHES, "dispatch.index_earliest = -7m@m", ""),
    215: ("direct", SEARCHES, "alert.track = 1", "alert.track = 0"),
    216: ("direct", SEARCHES, 'kind="prediction", flow="x"', 'kind="prediction", flow="x", day=strftime(_time,"%d")'),
    217: ("direct", SEARCHES, "max_concurrent = 1", "max_concurrent = 1\nallow_data_time_skew = 1"),
    218: ("summary", SEARCHES, "4-59/5 * * * *", "2-59/5 * * * *"),
    219: ("summary", SEARCHES, "durable.track_time_type = _indextime", "durable.track_time_type = _time"),
    220: ("summary", SEARCHES, "BY event_key | where n=0", "BY entity | where n=0"),
    221: ("direct", SEARCHES, "alert.suppress = 1", ""),
    222: ("direct", SEARCHES, "schedule_priority = higher", "dispatch.max_time = 60"),
    301: ("direct", SEARCHES, "`dltk_x_algo`", "MLTKContainer"),
    302: ("direct", MACROS, "[dltk_x_base]", "[dltk_x_bases]"),
    401: ("direct", MACROS, "sum(good) AS scored", ""),
    402: ("direct", SEARCHES, "where scored<rows", "where scored<0"),
    403: ("direct", MACROS, "holdout=0.2", ""),
    404: ("direct", MACROS, "with_version=t", ""),
    405: ("direct", SEARCHES, "dispatch.earliest_time = -30d@d", "dispatch.earliest_time = -30d"),
    406: ("direct", SEARCHES, " | fields - _raw", ""),
    407: ("direct", MACROS, "mode=async ", ""),
    501: ("summary", MACROS, " | dedup event_key", ""),
    502: ("summary", MACROS, "sort 0 - written_at | dedup event_key", "dedup event_key"),
    503: ("direct", MACROS, "definition = dltk_x", "definition = elsewhere"),
    504: ("direct", INDEXES, "", "[a]\nhomePath = $SPLUNK_DB/a/db\n"),
    505: ("direct", SEARCHES, "addinfo=f", 'addinfo=f marker="a=b"'),
    506: ("summary", SEARCHES, "| fields _time kind flow feature_set event_key win_start", "| eval win_start"),
    507: ("direct", SEARCHES, "tostring(floor(_time))", "tostring(_time)"),
    508: ("direct", SEARCHES, "tostring(floor(_time))", "_cd"),
    509: ("summary", SEARCHES, 'kind="run"', 'kind="end"'),
    510: ("summary", MACROS, 'feature_set="v1"', 'feature_set="v2"'),
    511: ("metrics", SEARCHES, "split=true", "split=false"),
    512: ("metrics", MACROS, "latest(f_len)", "sum(f_len)"),
    513: ("datamodel", MACROS, "summariesonly=t ", ""),
    514: ("metrics", SEARCHES, "| `dltk_x_rows`", "| makeresults | `dltk_x_rows`"),
    515: ("feedback", VIEW, 'comment=replace(comment,"\\"","\'")', "comment=comment"),
    516: ("summary", SEARCHES, "| sort 0 win_start | streamstats current=f max(win_end) AS prev_end", "| eval prev=0"),
    517: ("direct", SEARCHES, " addinfo=f", ""),
    518: ("summary", SEARCHES, 'dc(eval(if(kind="row",event_key,null())))', 'count(eval(kind="row"))'),
    519: ("summary", MACROS, "max(f_len) AS f_len", "values(f_len) AS f_len"),
    520: ("summary", SEARCHES, "| where runs=0 OR", "| overlap | where runs=0 OR"),
    521: ("metrics", "../dltk_flow_x_indexes/" + INDEXES, "datatype = metric\n", ""),
    522: ("datamodel", SEARCHES, "dispatch.latest_time = -24m@m", "dispatch.latest_time = -7m@m"),
    523: ("datamodel", MACROS, "BY _time span=5m DNS.query", "BY _time span=5m DNS.query DNS.src"),
    524: ("datamodel", MACROS, "BY _time entity", "BY entity"),
    525: ("direct", SEARCHES, 'flow="x" kind="run" |', 'flow="y" kind="run" |'),
    526: ("datamodel", SEARCHES, "dispatch.earliest_time = -29m@m", "dispatch.earliest_time = -27m@m"),
    527: ("datamodel", MACROS, "span=5m", "span=1h"),
    530: ("indexed", SEARCHES, " output_format=hec", ""),
    531: ("indexed", SEARCHES, "output_format=hec", 'output_format=hec marker="a=1"'),
    532: ("indexed", SEARCHES, "| fields _time kind flow feature_set written_at", '| eval sourcetype="a" | fields + *'),
    533: ("indexed", MACROS, "| sort 0 - written_at | dedup _time entity ", ""),
    601: ("feedback", MACROS, "outputlookup append=t key_field=_key", "outputlookup"),
    602: ("feedback", MACROS, "_key dltk_x_queue", "_key dltk_x_labels"),
    603: ("feedback", MACROS, "_key dltk_x_queue", "_key dltk_x_params"),
    604: ("feedback", TRANSFORMS, "fields_list = _key, ", "fields_list = "),
    605: ("feedback", COLLECTIONS, "= number", "= array"),
    606: ("feedback", MACROS, "lookup local=true dltk_x_params", "lookup dltk_x_params"),
    607: ("feedback", SEARCHES, 'isnull(label) OR label=""', "isnull(label)"),
    608: ("direct", SEARCHES, "| where isnotnull(y)", "| where isnotnull(y) | join entity [ search index=a ]"),
    609: ("feedback", SEARCHES, "sort 0 - dga_score", "sort - dga_score"),
    610: ("feedback", MACROS, "| sort 0 -sampled -dga_score | head `", "| head `"),
    611: ("feedback", "default/data/ui/views/studio.xml", "", STUDIO),
    612: ("feedback", VIEW, "$verdict|s$", '"$verdict$"'),
    613: ("feedback", VIEW, '<search id="label_search">', '<search id="label_search" base="queue_search">'),
    614: ("feedback", VIEW, "done>", "did>"),
    615: ("feedback", META, "[collections/dltk_x_labels]", "[collections/other]"),
    616: ("feedback", ROLES, "output_file = enabled", ""),
    617: ("feedback", MACROS, "append=t key_field=_key", "append=t allow_updates=f key_field=_key"),
    618: ("feedback", SEARCHES, " AND sampled=1", ""),
    619: ("feedback", SEARCHES, 'index=`dltk_x_summary` flow="x" kind="label"', "| inputlookup dltk_x_labels | search"),
    620: ("direct", SEARCHES, "collect index=`dltk_x_summary` addinfo=f", "outputlookup x.csv"),
    701: ("direct", APP, "name = dltk_flow_x", "name = other"),
    702: ("direct", APP, "label = DLTK flow x", "label = x"),
    703: ("direct", APP, "is_configured = 0", "is_configured = 1"),
    704: ("direct", "local/macros.conf", "", "[dltk_x_base]\ndefinition = index=dns\n"),
    705: ("direct", "default/.hidden", "", "x\n"),
    706: ("direct", "bin/run.sh", "", "#!/bin/sh\n"),
    707: ("direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ * ]"),
    708: ("direct", "default/limits.conf", "", "[search]\n"),
    709: ("direct", "../dltk_flow_x_indexes/" + INDEXES, "repFactor = auto", "maxTotalDataSizeMB = 5"),
    710: ("direct", SEARCHES, "dispatch.earliest_time = -12m@m", "dispatch.earliest_time = rt-12m"),
    711: ("direct", ROLES, "[role_dltk_x_runner]", "[role_Dltk_x_runner]"),
    712: ("direct", APP, "check_for_updates = 0", "check_for_updates = 1"),
    713: ("direct", OVERVIEW, ' version="2"', ""),
    714: ("direct", SEARCHES, "enableSched = 0", "enableSched = 1"),
    715: ("direct", META, "export = none", "export = none\nowner = anna"),
    716: ("direct", SEARCHES, "enableSched = 0", "enableSched = 0\ndisabled = 1"),
    721: ("direct", OVERVIEW, '"stackMode"', '"stackmode"'),
    722: ("direct", OVERVIEW, "#118832", "#ccffcc"),
    801: ("direct", SEARCHES, "| table _time entity predicted_y", "| table _time enitty predicted_y"),
    802: ("summary", MACROS, "max(f_len) AS f_len", "max(f_len) AS fl_en"),
    803: ("summary", SEARCHES, '| where good=1 | eval feature_set="v1"', '| where good=1 | eval feature_set="v9"'),
    804: ("feedback", SEARCHES, 'where status="labelled"', 'where status="done"'),
    805: ("direct", SEARCHES, " into app:`dltk_x_model`", ""),
    806: ("feedback", MACROS, 'definition = "x_v1"', 'definition = "x_v2"'),
    807: ("direct", SEARCHES, "| eventstats count AS rows_in", "| eval f_len=f_len*2 | eventstats count AS rows_in"),
    808: ("direct", SEARCHES, "y from f_len", "y from y f_len"),
    809: ("direct", SEARCHES, "| where isnotnull(y)", ""),
    810: ("feedback", TRANSFORMS, "collection = dltk_x_queue", "collection = dltk_x_queues"),
    811: ("direct", SEARCHES, "y from f_len f_digits", "y from f_digits"),
    812: ("datamodel", SEARCHES, "win_start win_end rows scored | fields - _raw", "win_start win_end rows scored *"),
    813: ("summary", MACROS, "fillnull value=0 f_len f_digits f_vowels", "fillnull value=0 f_len f_digits"),
    814: ("feedback", VIEW, "_key dltk_x_second", "_key dltk_x_labels"),
    815: ("summary", SEARCHES, "addinfo=f", "sourcetype=dns addinfo=f"),
    816: ("direct", MACROS, "algo=pytorch_nn", "algo=pytocrh_nn"),
    817: ("direct", SEARCHES, "where win_start>prev_end", "where win_start<prev_end"),
    821: ("direct", SEARCHES, "-12m@m", "-12m"),
    822: ("direct", MACROS, "definition = index=main", "definition = earliest=-1h index=main"),
    823: ("direct", SEARCHES, "cron_schedule = 17 3 * * *", "cron_schedule = */5 * * * *"),
    824: ("direct", SEARCHES, "/300)*300", "/60)*60"),
    825: ("direct", MACROS, "floor(info_min_time)", "floor(info_min_time/60)*60"),
    826: ("feedback", SEARCHES, "search = | inputlookup dltk_x_seed.csv \\\n| eval", "search = | eval"),
    827: ("direct", SEARCHES, " | where scored<rows", ""),
    831: ("direct", META, "read : [ dltk_x_runner, dltk_x_viewer,", "read : [ dltk_x_runner,"),
    832: ("feedback", META, "write : [ dltk_x_runner, admin", "write : [ admin"),
    833: ("direct", ROLES, "apply_mltkcontainer = enabled", ""),
    834: ("direct", OVERVIEW, '"token": "time"', '"token": "tmie"'),
}  # fmt: skip
# Other changes that break a rule.
ALSO = [
    (111, "direct", ROLES, "upload_lookup_files = enabled", ""),
    (117, "direct", META, "[lookups]\n", "[views]\n"),
    (221, "direct", SEARCHES, "alert.suppress.fields = entity\n", ""),
    (525, "summary", SEARCHES, 'kind="scored" |', 'kind="score" |'),
    (525, "summary", MACROS, 'feature_set="v1" kind="row"', 'feature_set="v1" kind="rows"'),
    (527, "metrics", MACROS, "span=5m", "span=1h"),
    (103, "summary", SEARCHES, '| eval entity="e:".entity', "| eval again=entity"),
    (216, "summary", SEARCHES, "| fillnull value=0 f_len", "| bin _time span=7m | fillnull value=0 f_len"),
    (515, "direct", SEARCHES, 'replace(substr(entity,3),"\\"","\'")', "substr(entity,3)"),
    (521, "direct", "../dltk_flow_x_indexes/" + INDEXES, "repFactor", "datatype = metric\nrepFactor"),
    (612, "feedback", VIEW, "$env:user|s$", '"$env:user$"'),
    (612, "feedback", VIEW, "$key|s$", '"$row.key$"'),
    (612, "feedback", VIEW, "$note|s$", "$note|n$"),
    (616, "direct", ROLES, "run_custom_command = enabled", ""),
    (616, "direct", ROLES, "schedule_search = enabled", ""),
    (101, "direct", SEARCHES, "isnotnull(predicted_y)", "isnull(predicted_y)"),
    (101, "summary", SEARCHES, "| where good=1 | eval", "| eval"),
    (102, "direct", SEARCHES, "| fillnull value=0 f_len f_digits f_vowels | where", "| fillnull value=0 f_len | where"),
    (403, "direct", MACROS, "holdout=0.2", "holdout=0"),
    (407, "direct", MACROS, "promote=better:accuracy:0.002 ", ""),
    (407, "direct", MACROS, "better:accuracy", "better:auc"),
    (501, "direct", OVERVIEW, "dedup event_key", "dedup _time"),
    (525, "direct", SEARCHES, "index=`dltk_x_summary` flow", "index=summary flow"),
    (525, "direct", SEARCHES, "index=`dltk_x_summary` flow", "index=`dltk_x_summary` sourcetype=dns flow"),
    (525, "direct", SEARCHES, "index=`dltk_x_summary` flow", "index=`dltk_x_summary` source=dltk_x_scores flow"),
    (525, "direct", SEARCHES, " \\\n| collect index=`dltk_x_summary` addinfo=f", ""),
    (801, "direct", SEARCHES, "| where isnotnull(y)", "| where isnotnull(f_vwoels)"),
    (803, "direct", SEARCHES, 'kind="prediction", flow="x"', 'kind="prediction", flow="q"'),
    (804, "feedback", SEARCHES, 'kind="label" status="labelled"', 'kind="label" | where kind="lable"'),
    (807, "summary", SEARCHES, "| eventstats count AS rows_in", "| where len(entity)>9 | eventstats count AS rows_in"),
    (808, "direct", SEARCHES, "| fit `", '| eval f_len="k".sha256(entity) | fit `'),
    (810, "feedback", COLLECTIONS, "field.why = string\n", ""),
    (810, "feedback", MACROS, "key_field=_key dltk_x_queue", "key_field=_key dltk_x_qeueu"),
    (116, "direct", ROLES, "dltk_x;main", "dltk_x"),
    (501, "summary", SEARCHES, "| sort 0 - written_at | dedup event_key \\\n| eval", "\\\n| eval"),
    (801, "direct", "default/data/ui/views/status.xml", "state job time", "satte job time"),
    (801, "direct", MACROS, "| addinfo \\\n| eval", "| addinfo | eval at=_time \\\n| eval"),
    (801, "feedback", MACROS, "sampled model model_version feature_set label", "sampled model feature_set lbael"),
    (804, "summary", SEARCHES, 'count(eval(kind="run")) AS runs', 'count(eval(kind="urn")) AS runs'),
    (804, "direct", SEARCHES, "where scored<rows", "where scored>rows"),
    (817, "direct", SEARCHES, "where win_start>prev_end", "where win_start<prev_end"),
    (817, "feedback", VIEW, '(isnull(label) OR label="")', '(isnotnull(label) OR label="")'),
    (817, "feedback", VIEW, '(isnull(label) OR label="")', '(isnull(label) AND label="")'),
    (817, "direct", OVERVIEW, "if(runs=0 OR", "if(runs>0 OR"),
    (817, "direct", "default/data/ui/views/status.xml", "isnotnull(predicted_kind)", "isnull(predicted_kind)"),
    (810, "feedback", MACROS, "_key dltk_x_labels", "_key dltk_x_points"),
    (815, "metrics", SEARCHES, "| mcollect index=", "| mcollect sourcetype=dns index="),
    (817, "summary", SEARCHES, "AND isnotnull(predicted_y)", "AND isnull(predicted_y)"),
    (817, "direct", SEARCHES, "| eval arrived=", "| where arrived>0 | eval arrived="),
    (821, "metrics", SEARCHES, "dispatch.earliest_time = -30d@d", "dispatch.earliest_time = -30d"),
    (823, "direct", SEARCHES, "cron_schedule = 17 3 * * *", "cron_schedule = 0 3 1 1 *"),
    (826, "feedback", MACROS, "| appendpipe [ where copy=1 AND weight>=2", "| eval n=1 [ where copy=1 AND weight>=2"),
    (826, "direct", "default/data/ui/views/status.xml", "| makeresults | apply", "| apply"),
    (823, "direct", SEARCHES, "dispatch.earliest_time = -30d@d", "dispatch.earliest_time = -30m@m"),
    (824, "direct", SEARCHES, "floor((now()-", "floor((now()-9"),
    (827, "direct", SEARCHES, "streamstats current=f", "streamstats"),
    (831, "feedback", ROLES, "srchIndexesAllowed = dltk_x", "srchIndexesAllowed = other"),
    (713, "feedback", VIEW, ' version="1.1"', ""),
    (721, "direct", OVERVIEW, '"inputs"', '"input"'),
    (834, "feedback", VIEW, 'token="note"', 'token="noet"'),
    (834, "feedback", QUALITY, '"ref": "dltk_x_agreement"', '"ref": "dltk_x_agreements"'),
    (701, "direct", "app.manifest", "", '{"info": {"id": {"name": "other"}}}'),
    (701, "direct", "app.manifest", "", "{"),
    (707, "direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ admin ]"),
    (709, "direct", "../dltk_flow_x_indexes/" + INDEXES, "repFactor = auto", "repFactor = 0"),
]  # fmt: skip


def made(kind: str) -> Flow:
    """The flow ``x`` of that kind; the variants of a summary and without a target have names of their own here."""
    if kind == "anomalies":
        return flow_of("direct", anomalies=True)
    return flow_of("summary", source=kind) if kind in ("indexed", "metrics", "datamodel") else flow_of(kind)


def files(flow: Flow) -> dict[str, str]:
    """The files that ``dltk flow new`` writes."""
    return app_files(flow) | {FILE: text_of(flow)}


def write(folder: Path, made: dict[str, str]) -> None:
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def numbers(folder: Path, *only: int) -> set[int]:
    """Return the rules that the apps break, of those of these numbers, if any is given."""
    rules = [rule for rule in RULES if rule.number in only] if only else RULES
    return {finding.rule.number for finding in check(find_apps(folder), rules)}


@pytest.mark.parametrize("kind", ["direct", "summary", "indexed", "metrics", "datamodel", "feedback"])
def test_the_generated_apps_break_no_rule(kind: str, tmp_path: Path) -> None:
    write(tmp_path, files(made(kind)))
    assert [(each.rule.number, each.found) for each in check(find_apps(tmp_path))] == []


def test_an_identifier_that_is_no_feature_has_a_letter_in_front_on_its_way_through_apply(tmp_path: Path) -> None:
    flow = flow_of("feedback", features=["f_len"], derive="eval entity=lower(entity), f_len=len(entity)")
    write(tmp_path, files(flow))
    assert [(each.rule.number, each.found) for each in check(find_apps(tmp_path))] == []


@pytest.mark.parametrize(
    ("number", "kind", "name", "old", "new"), [*((number, *BROKEN[number]) for number in sorted(BROKEN)), *ALSO]
)
def test_a_small_change_breaks_the_rule(number: int, kind: str, name: str, old: str, new: str, tmp_path: Path) -> None:
    texts = files(made(kind))
    path = str(Path("dltk_flow_x", name)) if not name.startswith("..") else name.removeprefix("../")
    text = texts.get(path, "")
    assert old in text
    texts[path] = text.replace(old, new) if old else text + new
    write(tmp_path, texts)
    assert numbers(tmp_path, number) == {number}


def test_every_rule_has_such_a_change_and_a_number_of_its_own() -> None:
    known = [rule.number for rule in RULES]
    assert known == sorted(set(known))
    assert set(BROKEN) == set(known)


def test_a_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in RULES:
        assert rule.text.endswith("."), rule.number
        assert rule.fix.endswith("."), rule.number


def test_a_view_that_is_no_xml_is_named(tmp_path: Path) -> None:
    texts = files(made("direct"))
    texts["dltk_flow_x/default/data/ui/views/overview.xml"] = "<form"
    write(tmp_path, texts)
    assert numbers(tmp_path) == {713}


@pytest.mark.parametrize("latest", ["rt", "@mon", "-1d@d+3h"])
def test_times_that_cannot_be_resolved_here_are_passed_over(tmp_path: Path, latest: str) -> None:
    texts = files(made("datamodel"))
    path = f"dltk_flow_x/{SEARCHES}"
    texts[path] = texts[path].replace("dispatch.latest_time = -24m@m", f"dispatch.latest_time = {latest}")
    write(tmp_path, texts)
    assert numbers(tmp_path, 209, 522) == set()
