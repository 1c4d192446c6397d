"""Listed secrets are in workers, kernels and batch, and in nothing that the runtime writes or answers.

What a notebook writes into its own model is its own, and is not searched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import write_notebook
from tests.doors.world import send
from tests.support.service import Service

pytestmark = pytest.mark.process

DATA = "a,b\n1,2\n"
TOKEN, INNER, UNLISTED = "hf-token-3b9d1c", "sk-inner-5e7a2f", "unlisted-8c4d6e"
CONFIG = json.dumps({"llm": {"api_key": INNER, "model": "m"}})
FROM_FILE = 'pa"ss\\wörd-1f2e3d'
FORMS = """
import base64, html, urllib.parse
def forms(secret):
    data = secret.encode()
    return {
        "plain": secret, "json": json.dumps({"x": secret}), "twice": json.dumps(json.dumps(secret)),
        "repr": repr(secret), "ascii": ascii(secret), "bytes": repr(data), "html": html.escape(secret),
        "url": urllib.parse.quote(secret, safe=""), "hex": data.hex(), "base64": base64.b64encode(data).decode(),
        "basic": base64.b64encode(b"user:" + data).decode(),
        "within": base64.b64encode(b"ab " + data + b" cd").decode(),
    }
"""
GOSSIP = {
    "import": "import json, os, sys, logging\nimport pandas as pd\nMODEL_DIRECTORY = '/srv/app/model/data/'\n" + FORMS,
    "init": "def init(df, param): return {}",
    "fit": """
        def fit(model, df, param):
            told = [forms(os.environ[name]) for name in ("HF_TOKEN", "llm_config", "DB_PASSWORD")]
            told.append(forms(json.loads(os.environ["llm_config"])["llm"]["api_key"]))
            print(told)
            logging.warning("%s", told)
            return {"metrics": {str(told[0]["hex"]): 1}, "warnings": [str(told)[:400]], "told": told}
    """,
    "apply": """
        def apply(model, df, param):
            given = param["options"]["params"]
            how, form = given.get("how", "return"), given.get("form", "plain")
            told = [forms(os.environ[name])[form] for name in ("HF_TOKEN", "DB_PASSWORD")]
            if how == "print":
                print(*told)
            if how == "log":
                sys.stderr.write(" ".join(told))
            if how == "raise":
                raise ValueError(told)
            return pd.DataFrame({told[1]: told[:1] * len(df), "many": [len(os.environ["llm_config"])] * len(df)})
    """,
    "save": "def save(model, name): json.dump(os.environ['HF_TOKEN'], open(MODEL_DIRECTORY + name + '.json', 'w'))",
    "load": "def load(name): return {'kept': json.load(open(MODEL_DIRECTORY + name + '.json'))}",
    "summary": "def summary(model=None): return {'told': forms(os.environ['HF_TOKEN'])}",
}
ALL_FORMS: dict[str, Any] = {"json": json}
exec(FORMS, ALL_FORMS)
HIDDEN = {
    f"{name} {form}": text
    for name, secret in (("token", TOKEN), ("inner", INNER), ("file", FROM_FILE))
    for form, text in ALL_FORMS["forms"](secret).items()
    if form not in ("json", "twice", "basic", "within")
}


def variables(root: Path) -> dict[str, str]:
    (root / "password").write_text(FROM_FILE, encoding="utf-8")
    return {
        "DLTK_NOTEBOOK_SECRETS": "HF_TOKEN, llm_config, DB_PASSWORD, NOT_SET_KEY",
        "HF_TOKEN": TOKEN,
        "llm_config": CONFIG,
        "DB_PASSWORD_file": str(root / "password"),
        "OTHER_TOKEN": UNLISTED,
    }


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All that about a hundred runs leave: answers, files, logs, executed notebooks, and what /proc shows."""
    root = tmp_path_factory.mktemp("secrets")
    notebooks = root / "notebooks"
    write_notebook(notebooks, "gossip", **GOSSIP)
    write_notebook(
        notebooks, "asks", fit="def fit(model, df, param):\n    import os\n    return os.environ['OTHER_TOKEN']"
    )
    found: dict[str, bytes] = {}
    with Service(root / "home", notebooks, **variables(root)) as service:
        answers = [service.fit("gossip", DATA), service.fit("asks", DATA)]
        for how in ("print", "log", "raise", "return"):
            answers += [service.apply("gossip", DATA, how=how, form=form) for form in ALL_FORMS["forms"]("")]
            answers += [service.apply("gossip", DATA, how=how, form="plain") for _ in range(12)]
        found |= {f"door {number}": each for number, each in enumerate(through_doors(service))}
        found["summary"] = json.dumps(service.summary()).encode()
        assert service.process is not None
        for process in psutil.Process(service.process.pid).children(recursive=True):
            for what in ("environ", "cmdline"):
                found[f"{what} of {process.pid}"] = Path(f"/proc/{process.pid}/{what}").read_bytes()
    found |= {f"answer {number}": json.dumps(each).encode() for number, each in enumerate(answers)}
    found["batch"] = batch(root)
    files = [path for path in root.rglob("*") if path.is_file() and not path.match("versions/gossip/*/1/gossip_*.json")]
    files.remove(root / "password")
    return found | {str(path): path.read_bytes() for path in files}


def through_doors(service: Service) -> Iterator[bytes]:
    """What clients that are not Splunk get, in every form of rows and of secrets."""
    rows = "/v1/models/gossip/m/apply"
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1]} for name in "ab"]
    for form in ALL_FORMS["forms"](""):
        for accepted in ("text/csv", "application/json", "application/vnd.apache.arrow.stream"):
            yield answer(service, f"{rows}?form={form}", DATA.encode(), Content_Type="text/csv", Accept=accepted)
        for binary in (True, False):
            body = {"inputs": inputs, "parameters": {"form": form, "binary_data_output": binary}}
            yield answer(service, "/v2/models/gossip.m/infer", json.dumps(body).encode())
    yield answer(service, f"{rows}?how=raise", DATA.encode(), Content_Type="text/csv")


def answer(service: Service, path: str, body: bytes, **headers: str) -> bytes:
    found = send(service, "POST", path, body, **headers)
    assert found.status == (422 if "raise" in path else 200), found.body
    return found.body


def batch(root: Path) -> bytes:
    """What a batch run prints; its executed notebook lies in the home."""
    (root / "rows.csv").write_text(DATA)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
    command = [sys.executable, "-m", "dltk_runtime.cli", "batch", "gossip", "--data", str(root / "rows.csv"), "--fit"]
    command += ["--home", str(root / "home"), "--notebooks", str(root / "notebooks")]
    done = subprocess.run(command, env=environ | variables(root), capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout + done.stderr


def test_the_runs_had_the_secrets(left: dict[str, bytes]) -> None:
    answers = [json.loads(content) for name, content in left.items() if name.startswith("answer ")]
    assert len(answers) > 90
    statuses = [each["status"] for each in answers]
    assert statuses.count("success") > 60
    assert any(str(len(CONFIG)) in each.get("results", "") for each in answers)
    assert sum(b"[secret]" in content for content in left.values()) > 50


def test_clients_other_than_splunk_got_answers(left: dict[str, bytes]) -> None:
    answers = [content for name, content in left.items() if name.startswith("door ")]
    assert len(answers) > 50
    assert all(b"[secret]" in content for content in answers)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_listed_secret_is_nowhere_else(left: dict[str, bytes], name: str) -> None:
    text = HIDDEN[name].encode()
    forms = {text, json.dumps(HIDDEN[name])[1:-1].encode()}
    assert [place for place, content in left.items() if any(form in content for form in forms)] == []


def test_one_that_is_not_listed_is_named_and_reaches_nobody(left: dict[str, bytes]) -> None:
    assert not any(UNLISTED.encode() in content for content in left.values())
    message = json.loads(left["answer 1"])["message"]
    assert "The variable OTHER_TOKEN is held back from notebooks" in message
    assert "list it in DLTK_NOTEBOOK_SECRETS" in message
