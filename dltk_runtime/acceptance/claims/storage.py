"""Claims about what flows write: events of a summary index, and records of a collection."""

from __future__ import annotations

from dltk_runtime.acceptance.claims.claim import APP, Claim, Preparation, judge
from dltk_runtime.splunk.events import SOURCETYPE

RECORDS = f"{APP}_records"
WRITE = f"outputlookup append=t key_field=_key {RECORDS}"
INSERT = f"outputlookup append=t key_field=_key allow_updates=f {RECORDS}"
COLLECT = f"collect index=`{APP}_index` addinfo=f"
FLOW = f'flow="{APP}"'
DIGEST = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # SHA-256 of the letter a
PREPARATIONS = (
    Preparation(
        "plain_event",
        "an event of fields",
        f'| makeresults | eval {FLOW}, kind="plain", word="a b" | fields _time flow kind word | {COLLECT}',
    ),
    Preparation(
        "raw_event",
        "an event of a text and fields",
        f'| makeresults | eval {FLOW}, kind="hidden", _raw="flow=\\"{APP}\\", kind=\\"raw\\"" '
        f"| fields _time _raw flow kind | {COLLECT}",
    ),
    Preparation(
        "timed_event",
        "an event with info_min_time",
        f'| makeresults | eval {FLOW}, kind="time", info_min_time=floor(_time)-7200, wanted=info_min_time '
        f"| fields _time info_min_time wanted flow kind | {COLLECT}",
    ),
    Preparation(
        "first_record",
        "two records",
        "| makeresults count=2 | streamstats count AS n "
        f'| eval _key=if(n=1,"one","kept"), a="1", b="2" | fields _key a b | {WRITE}',
    ),
    Preparation(
        "second_record", "the first of them, less", f'| makeresults | eval _key="one", a="3" | fields _key a | {WRITE}'
    ),
    Preparation(
        "insert_only",
        "the other one and a new one, with allow_updates=f",
        "| makeresults count=2 | streamstats count AS n "
        f'| eval _key=if(n=1,"kept","two"), a="9" | fields _key a | {INSERT}',
    ),
)


EVENTS = f"search index=`{APP}_index` {FLOW}"
PLAIN, RAW, TIMED = f'{EVENTS} kind="plain"', f'{EVENTS} (kind="raw" OR kind="hidden")', f'{EVENTS} kind="time"'
STASH, NEAR = 'seen="stash"', "seen<2"
LICENCE = "search index=_internal source=*license_usage.log* type=Usage"  # a record a minute and source, field st
CLAIMS = (
    Claim(
        "collect_fields",
        "collect writes fields where there is no _raw, values with blanks too",
        "flows 5",
        f'{PLAIN} | stats count AS n count(eval(word="a b")) AS w '
        '| eval seen="events ".n.", with the field ".w, ok=if(n>0 AND w=n,1,0)',
        late=True,
    ),
    Claim(
        "collect_sourcetype",
        "The sourcetype of collected events is stash",
        "flows 5",
        f"{PLAIN} | stats count AS n values(sourcetype) AS seen | {judge(STASH)}",
        late=True,
    ),
    Claim(
        "licence_of_stash",
        "Collected events, of the sourcetype stash, are free: the licence's usage has none of them",
        "flows 5",
        f'{LICENCE} | stats count AS n count(eval(st="stash")) AS w '
        '| eval seen="records of usage ".n.", of stash ".w, ok=case(n=0,null(),w=0,1,true(),0)',
        earliest="-24h",
    ),
    Claim(
        "licence_of_events",
        f"Events by the HTTP Event Collector count for the licence: its usage has {SOURCETYPE}, the runtime's own",
        "flows 5: not seen",
        f'{LICENCE} | stats count(eval(st="{SOURCETYPE}")) AS w '
        f'| appendcols [search `{APP}_events` sourcetype="{SOURCETYPE}" | stats count AS n] '
        '| eval seen="events ".n.", records of usage ".w, ok=case(n=0,null(),w>0,1,true(),0)',
        earliest="-24h",
    ),
    Claim(
        "collect_raw",
        "collect writes _raw instead of the fields where there is one",
        "flows 5",
        f"{RAW} "
        '| stats count(eval(kind="raw")) AS raw count(eval(kind="hidden")) AS other '
        '| eval seen="as text ".raw.", as fields ".other, ok=if(raw>0 AND other=0,1,0)',
        late=True,
    ),
    Claim(
        "collect_time",
        "collect takes info_min_time as the event's time before _time",
        "flows 5",
        f"{TIMED} | eval off=abs(_time-wanted) | stats count AS n max(off) AS seen | {judge(NEAR)}",
        late=True,
    ),
    Claim(
        "record_replaced",
        "outputlookup append=t key_field=_key replaces a whole record: fields that the row lacks are lost",
        "flows 6",
        f'| inputlookup {RECORDS} where _key="one" | stats count AS n values(a) AS a count(b) AS b '
        '| eval seen="a ".a.", b ".b, ok=case(isnull(a),null(),a=3 AND b=0,1,true(),0)',
    ),
    Claim(
        "insert_only",
        "outputlookup allow_updates=f keeps the records that are there, and writes the new ones",
        "flows 6: not seen",
        f'| inputlookup {RECORDS} | stats count(eval(_key="kept" AND a="9")) AS changed '
        'count(eval(_key="two")) AS new count AS n '
        '| eval seen="changed ".changed.", new ".new, ok=case(n=0,null(),changed=0 AND new=1,1,true(),0)',
    ),
    Claim(
        "lookup_local",
        "lookup local=true reads a collection by _key",
        "flows 6",
        f'| makeresults | eval k="one" | lookup local=true {RECORDS} _key AS k OUTPUT a '
        "| stats count AS n values(a) AS seen | eval ok=if(seen=3,1,0)",
        refuted_by_error=True,
    ),
    Claim(
        "digest",
        "sha256 of eval returns 64 lower-case digits",
        "flows 1.3",
        f'| makeresults | eval d=sha256("a"), ok=if(d="{DIGEST}",1,0), seen="length ".len(d) | fields ok seen',
        refuted_by_error=True,
    ),
    Claim(
        "run_record",
        "appendpipe with addinfo adds one row with the search's window",
        "flows 4",
        "| makeresults count=2 | appendpipe [ stats count AS rows | addinfo ] "
        "| stats count AS n count(info_min_time) AS w "
        '| eval seen="rows ".n.", with a window ".w, ok=if(n=3 AND w=1,1,0)',
    ),
)
