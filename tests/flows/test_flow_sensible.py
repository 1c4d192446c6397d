"""Sensible searches of apps that people wrote: rules that ask what an app means raise no alarm on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.rules import RULES, check

ASKED = {116, 530, 532, 533, *range(801, 827)} - {805, 807}
ROLE = "[role_zz]\nschedule_search = enabled\nsrchIndexesAllowed = a;own;web_*\n"
SCHEDULE = (
    "cron_schedule = 7 2 * * *\ndispatch.earliest_time = {earliest}\ndispatch.latest_time = @d\nenableSched = 1\n"
)
CASES = "[cases]\nexternal_type = kvstore\ncollection = cases\nfields_list = _key, host, status\n"
COLLECTIONS = "[cases]\nfield.host = string\nfield.status = string\n"
LEVELS = 'index=a | stats count AS n BY host | eval sev=case(n>5,"High",n>2,"Mid") | '
OPENED = (
    'index=a | stats latest(_time) AS _time BY host | eval _key=host, status="new" | fields _key host status '
    "| outputlookup append=t key_field=_key cases"
)
INDEXED = (
    'index=a | stats count AS n latest(_time) AS _time BY host | eval kind="stat" | fields _time kind host n '
    "| fields - _raw | collect index=own addinfo=f output_format=hec"
)
RUN = 'index=a | stats count AS n latest(_time) AS _time | eval kind="run" | fields _time kind n | collect index=own'
BOTH = (
    '| tstats max(n) AS n WHERE index=own kind="stat" BY _time span=1h host '
    '| append [ search index=own kind="run" | stats sum(n) AS n ] | stats sum(n) AS n'
)
DAILY = (
    'index=a | stats max(x) AS x max(z) AS z count AS n latest(_time) AS _time BY host | eval kind="stat"{more} '
    "| fields _time kind host x z n {more_fields}| fields - _raw | collect index=own addinfo=f output_format=hec"
)
ONCE = DAILY.format(more="", more_fields="")
WRITTEN = DAILY.format(more=", wrote=now()", more_fields="wrote ")
READ = '| tstats {calls} max(x) AS x WHERE index=own kind="stat" BY _time span={span} host '
FIT = "| where isnotnull(x) | fit LinearRegression x from {features} into app:m_v1 | stats count AS rows"
SUM, SUMMED = READ.format(calls="sum(n) AS n", span="1h"), FIT.format(features="n")
LARGEST, LEARNED = READ.format(calls="max(n) AS n max(z) AS z", span="1d"), FIT.format(features="n z")
FILLED = (
    "index=a | stats avg(x) AS x avg(z) AS z count AS n latest(_time) AS _time BY host | fillnull value=0 {names} "
    '| eval kind="stat" | fields _time kind host x z n | fields - _raw | collect index=own addinfo=f'
)
LEARN = 'index=own kind="stat" | {more}where n>0 | fit KMeans x z n into app:m_v1 | stats count AS rows'


def numbers(folder: Path, *searches: str, earliest: str = "-21d@d") -> set[int]:
    """The rules that an app with these searches breaks, of those that are asked."""
    (folder / "default").mkdir()
    texts = {"app.conf": "[ui]\nlabel = An app\n", "authorize.conf": ROLE, "transforms.conf": CASES}
    texts |= {"collections.conf": COLLECTIONS}
    schedule = SCHEDULE.format(earliest=earliest)
    texts["savedsearches.conf"] = "".join(f"[s{at}]\nsearch = {each}\n{schedule}" for at, each in enumerate(searches))
    for name, text in texts.items():
        (folder / "default" / name).write_text(text)
    rules = [rule for rule in RULES if rule.number in ASKED]
    return {each.rule.number for each in check(find_apps(folder), rules)}


@pytest.mark.parametrize(
    "searches",
    [
        ('index=a | where user!="" | eval user="x" | stats count BY user',),
        ('index=a | fields _time ip status bytes | eval status=if(bytes>0,"ok","empty") | stats count BY status',),
        ('index=a status=* | where status>=400 | eval status=if(bytes>0,"ok","empty") | stats count BY status',),
        ('index=a | where isnotnull(uri) | rex field=uri "^/(?<part>\\w+)" | eval uri=part | stats count BY uri',),
        ("index=a | stats avg(x) AS y perc5(x) AS low BY host | where y<low | eval off=y-low | table host off",),
        ("index=a | streamstats current=f last(x) AS prev BY host | where x<prev | eval off=x-prev | table host off",),
        ("index=a | stats count AS all count(eval(status>=500)) AS bad BY host | eval rest=bad-all | table host rest",),
        (LEVELS + 'search sev="high" | table host sev',),
        (LEVELS + 'search sev="H*" | table host sev',),
        (LEVELS + 'search NOT sev="Low" | table host sev',),
        (LEVELS + 'where sev!="None" | table host sev',),
        ("index=a | stats count BY host | lookup b.csv host OUTPUT owner | where isnull(owner) | collect index=own",),
        ("index=a | eval k=if(x>1,null(),x) | where isnull(k) | join host [ search index=own ] | eval b=k+1",),
        ("index=a | stats avg(x) AS x latest(_time) AS _time BY host | apply app:m_v1 | collect index=own",),
        ("index=a | stats count BY host | collect index=own sourcetype=b", "index=own sourcetype=b | stats count"),
        ('index=a | eval metric_name="x", _value=n | mcollect index=own sourcetype=mcollect_stash',),
        ("| dbinspect index=a | stats count BY index",),
        ("| append [ search index=a | stats count BY host ] | stats sum(count) AS n BY host",),
        ('| ldapsearch search="(objectClass=user)" | stats count',),
        ("index=web_proxy | stats count BY host",),
        (OPENED, '| inputlookup cases where status="closed" | stats count'),
        (
            OPENED,
            'index=a | stats count BY host | lookup cases host OUTPUT status | where status="closed" | table host',
        ),
        (INDEXED, RUN, BOTH),
        (LEVELS + 'where sev="$sev$" | table host sev',),
        (LEVELS + 'replace "High" WITH "Top" IN sev | where sev="Top" | table host sev',),
        (LEVELS + 'foreach sev [eval <<FIELD>>="Top"] | where sev="Top" | table host sev',),
        (
            OPENED,
            '| inputlookup cases where _key="n" | fields _key host | outputlookup append=t key_field=_key cases',
        ),
        (ONCE, SUM + "| stats sum(n) AS n BY host"),
        (ONCE, READ.format(calls="max(n) AS n max(z) AS z", span="1h") + LEARNED),
        (ONCE, READ.format(calls="max(n) AS n", span="1d") + SUMMED),
        (WRITTEN, SUM + "wrote | sort 0 - wrote | dedup _time host " + SUMMED),
        (WRITTEN, SUM + "wrote | eventstats max(wrote) AS newest BY _time host | where wrote=newest " + SUMMED),
        (FILLED.format(names="x z"), LEARN.format(more="")),
        (FILLED.format(names="x"), LEARN.format(more="fillnull value=-1 z | ")),
        (FILLED.format(names="x"), LEARN.format(more="where isnotnull(z) | ")),
        (FILLED.replace("| fillnull value=0 {names} ", ""), LEARN.format(more="")),
    ],
)
def test_a_sensible_search_raises_no_alarm(searches: tuple[str, ...], tmp_path: Path) -> None:
    assert numbers(tmp_path, *searches) == set()


def test_a_training_over_events_needs_no_whole_windows(tmp_path: Path) -> None:
    text = "index=a | fit LinearRegression y from x into app:m_v1 | stats count AS rows"
    assert numbers(tmp_path, text, earliest="-21d") - {823} == set()


@pytest.mark.parametrize(
    ("number", "searches"),
    [
        (804, (LEVELS + 'search sev="hihg" | table host sev',)),
        (804, (LEVELS + 'where sev!="Hihg" | table host sev',)),
        (804, (OPENED, '| inputlookup cases where status="nwe" | stats count')),
        (815, ("index=a | stats count BY host | collect index=own sourcetype=b", "index=own | stats count")),
        (826, ("| where n>1 | stats count",)),
        (116, ("index=wev_proxy | stats count BY host",)),
        (533, (ONCE, SUM + SUMMED)),
        (533, (WRITTEN, SUM + SUMMED)),
        (533, (WRITTEN, SUM + "wrote " + SUMMED)),
        (533, (ONCE, LARGEST + LEARNED)),
        (813, (FILLED.format(names="x"), LEARN.format(more=""))),
        (813, (FILLED.format(names="x"), LEARN.format(more="fillnull value=0 x z | "))),
        (530, (RUN, '| tstats sum(n) AS n WHERE index=own kind="run"')),
    ],
)
def test_a_mistake_beside_them_is_found(number: int, searches: tuple[str, ...], tmp_path: Path) -> None:
    assert numbers(tmp_path, *searches) == {number}
