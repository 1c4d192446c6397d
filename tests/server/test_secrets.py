"""Promise 9, nothing secret leaks: a day in the life of a server, then a search for its secrets in all that is left."""

from __future__ import annotations

import json
import os
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, meta_for, until

pytestmark = pytest.mark.process

DATA = "a,b\n1,2\n"
TOKEN = "api-token-9f8e7d"
KEYS = ["live-key-1", "live-key-2", "live-key-3", "live-key-4"]
VARIABLES = {
    "api_token": TOKEN,
    "splunk_access_token": "splunk-token-9f8e7d",
    "splunk_hec_token": "hec-token-9f8e7d",
    "SPLUNK_ACCESS_TOKEN": "olly-token-9f8e7d",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-9f8e7d",
    "llm_config": '{"key": "llm-secret-9f8e7d"}',
}
SECRETS = [TOKEN, *list(VARIABLES.values())[1:5], "llm-secret-9f8e7d", *KEYS]

# Tells all it can see: prints it, keeps it in the model, saves it, returns it, and raises with it.
GOSSIP = {
    "import": """
        import json, os, sys
        import pandas as pd
        MODEL_DIRECTORY = "/srv/app/model/data/"
        def all_that_is_seen(param):
            text = json.dumps([param, dict(os.environ), sys.argv])
            print(text)
            print(text, file=sys.stderr)
            return text
    """,
    "init": "def init(df, param): return {'init': all_that_is_seen(param)}",
    "fit": "def fit(model, df, param): return {'fit': all_that_is_seen(param), 'metrics': {'x': 1}}",
    "apply": """
        def apply(model, df, param):
            if param["options"]["params"].get("raise"):
                raise ValueError(all_that_is_seen(param))
            return pd.DataFrame({"seen": [all_that_is_seen(param), json.dumps(model)]})
    """,
    "summary": "def summary(model=None): return {'model': model, 'environ': dict(os.environ)}",
}


def meta(algo: str | None = "gossip", **params: str) -> dict[str, Any]:
    """A `meta` with live session keys wherever they have been seen, or could be."""
    made = meta_for(DATA, "m", {"algo": algo, **params} if algo else params)
    made["options"]["session_key"] = KEYS[0]
    made["search_info"] = {"sid": "1.2", "session_key": KEYS[1]}
    made["options"]["params"]["session_key"] = KEYS[2]
    made["more"] = [{"session_key": KEYS[3]}]
    return made


def bad_metas() -> Iterator[Any]:
    yield [meta()]
    yield {"options": [meta()]}
    yield {"options": {"params": [meta()]}}
    yield {"options": {"params": {"algo": meta()}}}
    yield {"options": {"params": {"algo": "gossip"}, "model_name": meta()}}
    yield meta(algo=None)
    yield meta(algo="no_such_notebook")
    yield meta(algo="../../x")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All that a day leaves: replies, files, the log, and what the workers were started with."""
    root = tmp_path_factory.mktemp("secrets")
    write_notebook(root / "notebooks", "gossip", **GOSSIP)
    found: dict[str, bytes] = {}
    with Service(root / "home", root / "notebooks", **VARIABLES) as service:
        service.token = TOKEN
        replies = list(day(service))
        assert service.process is not None
        processes = [*service.workers(), *grandchildren(service)]
        for pid in processes:
            for what in ("environ", "cmdline"):
                found[f"{what} of {pid}"] = Path(f"/proc/{pid}/{what}").read_bytes()
        found["command line"] = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    found |= {f"reply {number}": reply for number, reply in enumerate(replies)}
    found |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return found


def grandchildren(service: Service) -> list[int]:
    import psutil

    assert service.process is not None
    return [child.pid for child in psutil.Process(service.process.pid).children(recursive=True)]


def day(service: Service) -> Iterator[bytes]:
    """Everything that can be asked of a server, well and badly; the replies."""
    posts = [("/fit", meta()), ("/apply", meta()), ("/apply", meta(algo=None)), ("/fit", meta(mode="stage"))]
    posts += [("/fit", meta(**{"raise": "1"})), ("/apply", meta(**{"raise": "1"}))]
    posts += [(path, bad) for path in ("/fit", "/apply") for bad in bad_metas()]
    for path, sent in posts:
        yield service.send(path, json.dumps({"data": DATA, "meta": sent}).encode())
    yield service.send("/fit", json.dumps({"data": DATA, "meta": meta()}).encode() + b"}")
    for path in ("/summary", "/", "/livez"):
        yield service.send(path, None)
    for token in (TOKEN + "x", "Basic " + TOKEN, TOKEN[:-1]):
        with pytest.raises(urllib.error.HTTPError) as caught:
            service.send("/fit", b"{}", token=token)
        with caught.value as error:
            yield error.read() + str(error.headers).encode()
    until(lambda: len(service.workers()) >= 2)


def test_the_day_has_left_what_it_should(left: dict[str, bytes]) -> None:
    names = " ".join(left)
    for part in ("job.json", "/log", "home.log", "version.json", "m.csv", "m.json", "environ of", "reply 10"):
        assert part in names
    assert sum(b'"status":"success"' in content for content in left.values()) >= 3
    assert any(b"PATH" in content for name, content in left.items() if name.endswith("/log")), "the notebook talked"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_nowhere(left: dict[str, bytes], secret: str) -> None:
    assert [name for name, content in left.items() if secret.encode() in content] == []


def test_no_session_key_of_any_kind_reaches_the_notebook(left: dict[str, bytes]) -> None:
    seen = [content for name, content in left.items() if name.endswith(("/log", "m.json")) or name.startswith("reply")]
    assert seen
    assert all(b"session_key" not in content for content in seen)


def test_the_rest_of_search_info_does_reach_the_notebook(left: dict[str, bytes]) -> None:
    staged = next(content for name, content in left.items() if name.endswith("/notebooks/data/m.json"))
    assert json.loads(staged)["search_info"] == {"sid": "1.2"}


def test_the_tests_own_environment_is_clean() -> None:
    assert not set(VARIABLES) & set(os.environ)
