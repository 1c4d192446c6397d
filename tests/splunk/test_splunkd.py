"""The stand-in is faithful: what the real splunk-sdk calls, splunkd's limits, its forms of saying no."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from splunklib import binding, client, results

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.standin import Index, IndexedEvent, Indexes, NotEmulated, Row, Storage, Window, epoch
from dltk_runtime.emulator.standin.index import IndexUnknown
from dltk_runtime.emulator.standin.kvstore import fill
from dltk_runtime.emulator.standin.lookups import LookupMissing, Lookups
from dltk_runtime.settings import ClientSettings
from dltk_runtime.splunk.errors import SearchFailed
from dltk_runtime.splunk.hec import Hec, event
from dltk_runtime.splunk.search import search
from tests.splunkd import HecToken, Splunkd
from tests.splunkd.spl import pipeline
from tests.support.service import until


def count_rows(search: str, window: Window, now: float) -> Iterable[Row]:
    if "bad" in search.split():
        raise SearchInvalid("Error in 'bad' command: there is no such command")
    count = int(next(word.partition("=")[2] for word in search.split() if word.startswith("rows=")))
    return ({"_time": "1700000000.5", "n": str(number), "two": ["a", "b"], "no": None} for number in range(count))


pytestmark = pytest.mark.splunkd(run_search=count_rows)


@pytest.fixture
def sdk(splunkd: Splunkd) -> client.Service:
    return client.connect(host="127.0.0.1", port=splunkd.port, scheme="http", token=splunkd.token, app="search")


def done(job: client.Job) -> client.Job:
    until(job.is_done)
    return job


def rows(stream: Any) -> list[dict[str, Any]]:
    return [row for row in results.JSONResultsReader(stream) if isinstance(row, dict)]


# ------------------------------------------------------------ who asks


def test_the_sdk_logs_in_by_password_by_token_and_as_bearer(splunkd: Splunkd) -> None:
    where = {"host": "127.0.0.1", "port": splunkd.port, "scheme": "http"}
    for who in (
        {"username": "admin", "password": "changeme"},
        {"token": splunkd.token},
        {"token": f"Splunk {splunkd.token}"},
        {"splunkToken": splunkd.token},
    ):
        info = client.connect(**where, **who).info
        assert (info["version"], info["instance_type"]) == ("9.4.0", "download")
    with pytest.raises(binding.AuthenticationError, match="Login failed"):
        client.connect(**where, username="admin", password="wrong")
    with pytest.raises(binding.AuthenticationError, match="not logged in"):
        _ = client.connect(**where, token="old").info


def test_refusals_are_xml_or_json_as_they_were_asked_for(splunkd: Splunkd, sdk: client.Service) -> None:
    for mode, begins in (("xml", b"<?xml"), ("json", b'{"messages"')):
        with pytest.raises(binding.HTTPError) as failed:
            sdk.get("search/jobs/7", output_mode=mode)
        assert failed.value.status == 404
        assert failed.value.body.startswith(begins)
        assert b"Unknown sid." in failed.value.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "authentication/tokens"),
        ("post", "search/v2/jobs/export"),
        ("get", "storage/passwords"),
        ("post", "server/control"),
    ],
)
def test_what_it_cannot_do_is_said_with_501(sdk: client.Service, method: str, path: str) -> None:
    with pytest.raises(binding.HTTPError, match="does not emulate") as failed:
        getattr(sdk, method)(path, search="search index=main rows=1", output_mode="xml")
    assert failed.value.status == 501


# ------------------------------------------------------------ searches


@pytest.mark.parametrize("version", ["9.0.1", "9.4.0"])
def test_the_sdk_runs_a_job_in_both_versions_of_the_api(version: str) -> None:
    with Splunkd(count_rows, version=version) as splunkd:
        sdk = client.connect(host="127.0.0.1", port=splunkd.port, scheme="http", token=splunkd.token)
        job = done(sdk.jobs.create("search index=main rows=3"))
        assert (job["resultCount"], job["dispatchState"], job["isDone"]) == ("3", "DONE", "1")
        found = rows(job.results(output_mode="json"))
        assert found[0] == {"_time": "2023-11-14T22:13:20.500+00:00", "n": "0", "two": ["a", "b"]}
        job.cancel()
        with pytest.raises(binding.HTTPError, match="Unknown sid"):
            job.refresh()
        paths = {path.rsplit("/", 1)[0] for method, path in splunkd.requests if method == "POST"}
        assert any("v2" in path for path in paths) == (version == "9.4.0")


def test_a_page_has_100_rows_by_default_and_never_more_than_50_000(sdk: client.Service) -> None:
    job = done(sdk.jobs.create("search index=main rows=50002"))
    assert len(rows(job.results(output_mode="json"))) == 100
    for count in (0, 60000):
        assert len(rows(job.results(output_mode="json", count=count))) == 50_000
    assert [row["n"] for row in rows(job.results(output_mode="json", count=0, offset=50_000))] == ["50000", "50001"]


@pytest.mark.filterwarnings("ignore::deprecation.DeprecatedWarning")
def test_results_come_as_json_csv_or_xml(sdk: client.Service) -> None:
    job = done(sdk.jobs.create("search index=main rows=1"))
    assert job.results(output_mode="csv").read().decode().splitlines()[0] == "_time,n,two"
    (row,) = results.ResultsReader(io.BytesIO(job.results().read()))
    assert dict(row) == {"_time": "2023-11-14T22:13:20.500+00:00", "n": "0", "two": ["a", "b"]}


def test_an_export_is_one_document_a_line_with_the_last_one_marked(sdk: client.Service) -> None:
    lines = sdk.jobs.export("search index=main rows=1001", output_mode="json").read().splitlines()
    documents = [json.loads(line) for line in lines]
    assert [document["offset"] for document in documents] == list(range(1001))
    assert [document.get("lastrow") for document in documents] == [None] * 1000 + [True]
    assert rows(io.BytesIO(b"\n".join(lines)))[1000]["n"] == "1000"
    assert rows(sdk.jobs.oneshot("search index=main rows=2", output_mode="json"))[1]["n"] == "1"


def test_a_search_needs_its_first_command_and_one_that_exists(sdk: client.Service) -> None:
    for text, said in (("index=main rows=1", "Unknown search command 'index'"), ("| bad", "no such command")):
        with pytest.raises(binding.HTTPError, match=said) as failed:
            sdk.jobs.create(text)
        assert failed.value.status == 400


def test_saved_searches_are_made_changed_dispatched_and_removed(sdk: client.Service) -> None:
    saved = sdk.saved_searches.create("two words", "search index=main rows=2", cron_schedule="2-59/5 * * * *")
    assert saved["cron_schedule"] == "2-59/5 * * * *"
    assert len(rows(done(saved.dispatch()).results(output_mode="json"))) == 2
    sdk.saved_searches["two words"].update(search="search index=main rows=5").refresh()
    assert len(rows(done(sdk.saved_searches["two words"].dispatch()).results(output_mode="json"))) == 5
    with pytest.raises(binding.HTTPError) as failed:
        sdk.saved_searches.create("two words", "search x")
    assert failed.value.status == 409
    sdk.saved_searches.delete("two words")
    assert [each.name for each in sdk.saved_searches.list()] == []


def stanzas(sdk: client.Service, name: str) -> client.Collection:
    return client.Collection(sdk, client.PATH_CONF % name, item=client.Stanza)


def test_the_sdk_makes_an_app_and_its_stanzas_and_gives_them_owner_and_rights(sdk: client.Service) -> None:
    sdk.apps.create("mine", label="Mine at last")
    assert [app.name for app in sdk.apps.list()] == ["search", "mine"]
    macros = stanzas(sdk, "macros")
    macros.create("base", definition="index=a").submit({"definition": "index=b"})
    assert macros["base"].refresh()["definition"] == "index=b"
    saved = sdk.saved_searches.create("score", "search index=main rows=1")
    saved.acl_update(owner="svc", sharing="app", **{"perms.read": "admin,user"})
    access = sdk.saved_searches["score"].access
    assert (access["owner"], access["sharing"], access["perms"]["read"]) == ("svc", "app", ["admin", "user"])
    assert stanzas(sdk, "savedsearches")["score"].access["owner"] == "svc"


@pytest.mark.parametrize(
    ("path", "given", "status", "said"),
    [
        ("configs/conf-macros", {"name": "there"}, 409, "already exists"),
        ("configs/conf-macros", {}, 400, "arguments are missing: name"),
        ("configs/conf-macros/gone", {"definition": "x"}, 404, "Could not find object id=gone"),
        ("configs/conf-macros/there/acl", {"owner": "svc"}, 400, "arguments are missing: sharing"),
        ("data/ui/views", {"name": "v", "eai:data": "<form>"}, 400, "Invalid XML"),
        ("data/ui/views", {"name": "v", "label": "x"}, 400, "not supported by this handler"),
    ],
)
def test_objects_that_cannot_be_made_are_refused(
    sdk: client.Service, path: str, given: dict[str, str], status: int, said: str
) -> None:
    stanzas(sdk, "macros").create("there")
    with pytest.raises(binding.HTTPError, match=said) as failed:
        sdk.post(path, body=urllib.parse.urlencode(given))
    assert failed.value.status == status


# ------------------------------------------------------------ KV store


@pytest.fixture
def data(sdk: client.Service) -> client.KVStoreCollectionData:
    sdk.kvstore.create("c", fields={"n": "number", "s": "string"}, enforceTypes="true")
    return sdk.kvstore["c"].data


def test_the_sdk_makes_fills_asks_and_removes_a_collection(
    sdk: client.Service, data: client.KVStoreCollectionData
) -> None:
    key = data.insert({"n": 1, "s": "a"})["_key"]
    data.batch_save({"_key": "k/2", "n": 2}, {"_key": "k 3", "n": 3, "s": "b"})
    assert data.query_by_id("k/2") == {"_key": "k/2", "_user": "nobody", "n": 2}
    assert [each["n"] for each in data.query(query={"n": {"$gte": 2}}, sort="n:-1")] == [3, 2]
    assert data.query(fields="s", sort="n", skip=1, limit=1) == [{}]
    assert [len(each) for each in data.batch_find({"query": {"n": 1}}, {"limit": 2})] == [1, 2]
    data.delete_by_id(key)
    data.delete(json.dumps({"$or": [{"n": 2}, {"s": "zzz"}]}))
    assert [each["_key"] for each in data.query()] == ["k 3"]
    sdk.kvstore.delete("c")
    assert "c" not in sdk.kvstore


def test_a_write_replaces_the_whole_document(data: client.KVStoreCollectionData) -> None:
    data.insert({"_key": "k", "n": 1, "s": "a"})
    data.update("k", {"n": 2})
    assert data.query_by_id("k") == {"_key": "k", "_user": "nobody", "n": 2}
    data.batch_save({"_key": "k", "s": "b"})
    assert data.query_by_id("k") == {"_key": "k", "_user": "nobody", "s": "b"}


def test_a_query_is_cut_at_50_000_without_a_word(splunkd: Splunkd, data: client.KVStoreCollectionData) -> None:
    fill(splunkd.storage.kvstore["c"], [{"n": n} for n in range(50_001)])
    assert len(data.query()) == len(data.query(limit=60_000)) == 50_000
    assert len(data.query(skip=50_000)) == 1


@pytest.mark.parametrize(
    ("ask", "status", "said"),
    [
        (lambda data: data.batch_save(*[{"n": 1}] * 1001), 400, "maximum number of documents"),
        (lambda data: data.insert({"n": "one"}), 400, "Invalid type for field 'n'"),
        (lambda data: data.insert({"_key": "there"}), 409, "already exists"),
        (lambda data: data.update("missing", {"n": 1}), 404, "Could not find object"),
        (lambda data: data.query(query="{"), 400, "JSON in the request is invalid"),
        (lambda data: data.query(query={"n": {"$near": 1}}), 501, "operator '$near'"),
        (lambda data: data.query(fields="n:0"), 501, "fields=name:0"),
        (lambda data: data._post("", body=b"{}"), 400, "content-type"),
    ],
)
def test_the_store_says_no_as_splunks_does(
    data: client.KVStoreCollectionData, ask: Any, status: int, said: str
) -> None:
    data.insert({"_key": "there"})
    with pytest.raises(binding.HTTPError) as failed:
        ask(data)
    (message,) = json.loads(failed.value.body)["messages"]
    assert (failed.value.status, message["type"]) == (status, "ERROR")
    assert said in message["text"]


def test_values_of_different_kinds_do_not_compare(data: client.KVStoreCollectionData) -> None:
    data.batch_save({"_key": "1", "n": 5}, {"_key": "2", "s": "5"}, {"_key": "3"})
    assert [each["_key"] for each in data.query(query={"n": {"$lt": 9}})] == ["1"]
    assert [each["_key"] for each in data.query(query={"n": {"$ne": 5}}, sort="_key")] == ["2", "3"]
    assert [each["_key"] for each in data.query(query={"$not": {"n": {"$exists": True}}}, sort="_key")] == ["2", "3"]


# ------------------------------------------------------------ HTTP Event Collector


def hec(splunkd: Splunkd, body: str, path: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    given = {"Authorization": f"Splunk {splunkd.hec_token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    url = f"{splunkd.hec_url}/services/collector{path}"
    request = urllib.request.Request(url, body.encode(), {name: value for name, value in given.items() if value})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"event": "a"}{"event": {"b": 1}}\n {"event": "c"}', 200, 0),
        ("", 400, 5),
        ("{", 400, 6),
        ("[1]", 400, 6),
        ('{"event": "a", "index": "nope"}', 400, 7),
        ('{"time": 1}', 400, 12),
        ('{"event": ""}', 400, 13),
        ('{"event": "a", "fields": {"x": {"y": 1}}}', 400, 15),
        ('{"event": "a", "time": "noon"}', 400, 6),
    ],
)
def test_the_collector_has_a_code_for_every_body(splunkd: Splunkd, body: str, status: int, code: int) -> None:
    answer = hec(splunkd, body)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert answer[1].get("invalid-event-number", 0) == 0


def test_events_before_a_wrong_one_are_taken(splunkd: Splunkd) -> None:
    _, answer = hec(splunkd, '{"event": "a"}{"event": ""}{"event": "c"}')
    assert answer == {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 1}
    assert [row["_raw"] for row in splunkd.storage.indexes["main"].rows()] == ["a"]


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [("", 401, 2), ("Basic x", 401, 3), ("Splunk", 401, 3), ("Splunk wrong", 403, 4), ("Splunk off", 403, 1)],
)
def test_the_collector_has_a_code_for_every_token(splunkd: Splunkd, header: str, status: int, code: int) -> None:
    splunkd.collector.tokens["off"] = HecToken(disabled=True)
    answer = hec(splunkd, '{"event": "a"}', Authorization=header)
    assert (answer[0], answer[1]["code"]) == (status, code)


def test_acknowledgement_needs_a_channel_and_tells_once(splunkd: Splunkd) -> None:
    assert hec(splunkd, '{"acks": [0]}', "/ack")[1]["code"] == 14
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(ack=True)
    channel = "8d6cbd3a-3a3b-4a9c-9a53-1d1b1c1b1a19"
    assert hec(splunkd, '{"event": "a"}')[1]["code"] == 10
    assert hec(splunkd, '{"event": "a"}', X_Splunk_Request_Channel="7")[1]["code"] == 11
    assert hec(splunkd, '{"event": "a"}', X_Splunk_Request_Channel=channel)[1] == {
        "text": "Success",
        "code": 0,
        "ackId": 0,
    }
    for told in (True, False):
        assert hec(splunkd, '{"acks": [0, 9]}', f"/ack?channel={channel}")[1] == {"acks": {"0": told, "9": False}}


# ------------------------------------------------------------ storage


def test_indexes_are_made_listed_and_written_to_by_the_sdk(splunkd: Splunkd, sdk: client.Service) -> None:
    sdk.indexes.create("points", datatype="metric")
    assert sorted(each.name for each in sdk.indexes.list()) == ["main", "points"]
    sdk.indexes["main"].submit("some text", sourcetype="s")
    assert sdk.indexes["main"]["totalEventCount"] == "1"
    assert splunkd.storage.indexes["points"].datatype == "metric"


def test_a_window_has_its_beginning_and_not_its_end() -> None:
    index = Index("i")
    for time, indexed in ((10, 100), (20, 90), (20, 110), (30, 120)):
        index.add(IndexedEvent(time, indexed, {"t": str(time)}))
    assert [event.time for event in index.events()] == [30, 20, 20, 10]
    assert [event.time for event in index.events(Window(10, 30))] == [20, 20, 10]
    assert [event.indexed for event in index.events(Window(index_earliest=100, index_latest=120))] == [110, 100]
    assert index.rows(Window(10, 11))[0] | {"_raw": ""} == {
        "_time": "10", "_indextime": "100", "_raw": "", "index": "i", "host": "standin", "source": "",
        "sourcetype": "stash", "t": "10",
    }  # fmt: skip


def test_what_is_missing_is_named_with_what_there_is() -> None:
    storage = Storage(indexes=Indexes("summary", "main"))
    with pytest.raises(IndexUnknown, match=r"no index 'sumary'\. Did you mean 'summary'"):
        storage.indexes["sumary"]
    lookups = Lookups()
    lookups.load("seed.csv", "a,b\n1,\n")
    lookups.append("seed.csv", [{"a": "2"}])
    assert lookups.read("seed.csv") == [{"a": "1", "b": ""}, {"a": "2"}]
    with pytest.raises(LookupMissing, match=r"Did you mean 'seed\.csv'"):
        lookups.read("seeds.csv")


@pytest.mark.parametrize(
    ("modifier", "wanted"),
    [
        ("now", 1_700_000_123.5),
        ("", 0),
        ("1700000000", 1_700_000_000),
        (12.5, 12.5),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000),
        ("-15m@m", 1_700_000_100 - 900),
        ("@h", 1_699_999_200),
        ("-1d@d", 1_699_920_000 - 86400),
        ("+1d", 1_700_086_523.5),
        ("-m", 1_700_000_063.5),
        ("@w", 1_699_747_200),  # Sunday, 12 November 2023
        ("-5minutes", 1_699_999_823.5),
    ],
)
def test_time_modifiers_are_resolved(modifier: str | float, wanted: float) -> None:
    assert epoch(modifier, 1_700_000_123.5) == wanted


@pytest.mark.parametrize("modifier", ["@mon", "-1d@d+3h", "rt", "@5m", "yesterday", "-1q"])
def test_other_time_modifiers_are_refused_by_name(modifier: str) -> None:
    with pytest.raises(NotEmulated, match="time modifier"):
        epoch(modifier, 0)


# ------------------------------------------------------------ searches over what is stored


def test_events_that_were_sent_are_found_counted_and_scored_by_the_pipeline(tmp_path: Path) -> None:
    storage = Storage()
    context = Context(Mltk(ClientSettings(), Stubs(tmp_path)), LookupFolders(tmp_path, ()))
    with Splunkd(pipeline(context, storage), storage) as splunkd:
        events = [event({"entity": f"e{n % 3}", "size": n}, time=1000 + n) for n in range(9)]
        Hec(splunkd.hec_url, splunkd.hec_token).send(events)
        counted = "index=main | stats count AS rows sum(size) AS size BY entity"
        frame = search(counted, 1000, 1006, connection=splunkd.connection())
        assert frame.to_dict("list") == {"entity": ["e0", "e1", "e2"], "rows": [2, 2, 2], "size": [3, 5, 7]}
        with pytest.raises(SearchFailed, match="transaction"):
            search("index=main | transaction entity", 0, connection=splunkd.connection())
