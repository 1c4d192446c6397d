"""Listed secrets are in workers, kernels and batch, and in nothing that the runtime writes or answers.

What a notebook writes into its own model is its own, and is not searched.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import os
import subprocess
import sys
import urllib.parse
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
    "import": r"""
        import json, logging, os, subprocess, sys
        import pandas as pd
        MODEL_DIRECTORY = "/srv/app/model/data/"
    """,
    "forms": FORMS,
    "init": "def init(df, param): return {}",
    "fit": """
        def fit(model, df, param):
            given = param["options"]["params"]
            if "form" in given:
                told = " ".join(forms(os.environ[name])[given["form"]] for name in ("HF_TOKEN", "DB_PASSWORD"))
                return {"metrics": {told: 1}, "warnings": [told], "told": told}
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
            if how == "write":
                os.write(1, " ".join(told).encode())
            if how == "child":
                subprocess.run(["cat"], input=" ".join(told).encode())
            if how == "log":
                logging.warning("%s", told)
            if how == "raise":
                raise ValueError(told)
            name = told[1] if how == "name" else "told"
            return pd.DataFrame({name: told[:1] * len(df), "many": [len(os.environ["llm_config"])] * len(df)})
    """,
    "save": "def save(model, name): json.dump(os.environ['HF_TOKEN'], open(MODEL_DIRECTORY + name + '.json', 'w'))",
    "load": "def load(name): return {'kept': json.load(open(MODEL_DIRECTORY + name + '.json'))}",
    "summary": "def summary(model=None): return {'told': forms(os.environ['HF_TOKEN'])}",
}
ALL_FORMS: dict[str, Any] = {"json": json}
exec(FORMS, ALL_FORMS)
FORM_NAMES = tuple(ALL_FORMS["forms"](""))
HOW = ("print", "write", "child", "log", "raise", "return", "name")  # of an apply; a fit stores them


def needles(secret: str) -> dict[str, str]:
    """What each form has of a secret, whatever stands around it."""
    data, once = secret.encode(), json.dumps(secret)[1:-1]
    found = {"plain": secret, "json": once, "twice": json.dumps(once)[1:-1], "repr": repr(secret)[1:-1]}
    found |= {"ascii": ascii(secret)[1:-1], "bytes": repr(data)[2:-1], "hex": data.hex()}
    found |= {"html": html.escape(secret), "url": urllib.parse.quote(secret, safe="")}
    for before in range(3):  # bytes before it, of the three that make four characters
        encoded = base64.b64encode(b"\0" * before + data).decode()
        found[f"base64 after {before}"] = encoded[-(-before * 4 // 3) : (before + len(data)) * 4 // 3]
    return found


HIDDEN = {
    f"{name} {form}": text
    for name, secret in (("token", TOKEN), ("inner", INNER), ("file", FROM_FILE))
    for form, text in needles(secret).items()
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
    """All that a hundred runs leave: answers, files, logs, executed notebooks, and what /proc shows."""
    root = tmp_path_factory.mktemp("secrets")
    notebooks = root / "notebooks"
    write_notebook(notebooks, "gossip", **GOSSIP)
    write_notebook(notebooks, "loud", **GOSSIP | {"apply": GOSSIP["apply"].replace('"return"', '"raise"')})
    write_notebook(
        notebooks, "asks", fit="def fit(model, df, param):\n    import os\n    return os.environ['OTHER_TOKEN']"
    )
    found: dict[str, bytes] = {}
    with Service(root / "home", notebooks, **variables(root)) as service:
        answers = [service.fit("gossip", DATA), service.fit("asks", DATA)]
        for form in FORM_NAMES:
            answers += [service.apply("gossip", DATA, how=how, form=form) for how in HOW]
            answers.append(service.fit("gossip", DATA, "stores", form=form))
        found |= {f"door {number}": each for number, each in enumerate(through_doors(service))}
        found["summary"] = json.dumps(service.summary()).encode()
        assert service.process is not None
        found |= shown_by_children(service.process.pid)
    found |= {f"answer {number}": json.dumps(each).encode() for number, each in enumerate(answers)}
    found |= batch(root, "gossip", 0, "--out", str(root / "out.csv"), "--html", str(root / "page.html"))
    found |= batch(root, "loud", 1)
    files = [path for path in root.rglob("*") if path.is_file() and not is_own_model(path)]
    files.remove(root / "password")
    return found | {str(path): path.read_bytes() for path in files}


def is_own_model(path: Path) -> bool:
    """Whether a notebook's `save` has written the file: ``versions/gossip/m/1/gossip_m.json``."""
    *_, versions, algorithm, model, _number, name = path.parts
    return versions == "versions" and name == f"{algorithm}_{model}.json"


def through_doors(service: Service) -> Iterator[bytes]:
    """What clients that are not Splunk get, in every form of rows and of secrets."""
    rows = "/v1/models/gossip/m/apply"
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1]} for name in "ab"]
    for form in FORM_NAMES:
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


def shown_by_children(process: int) -> dict[str, bytes]:
    """What /proc shows of the processes that a process started."""
    found = {}
    for child in psutil.Process(process).children(recursive=True):
        for what in ("environ", "cmdline"):
            with contextlib.suppress(OSError):  # it has ended
                found[f"{what} of {child.pid}"] = Path(f"/proc/{child.pid}/{what}").read_bytes()
    return found


def batch(root: Path, notebook: str, code: int, *more: str) -> dict[str, bytes]:
    """What a batch run prints and its processes show; its executed notebook lies in the home."""
    (root / "rows.csv").write_text(DATA)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
    command = [sys.executable, "-m", "dltk_runtime.cli", "batch", notebook, "--fit", *more]
    command += ["--data", str(root / "rows.csv"), "--home", str(root / "home"), "--notebooks", str(root / "notebooks")]
    printed = root / f"batch {code}"
    found: dict[str, bytes] = {}
    with open(printed, "wb") as file:
        running = subprocess.Popen(command, env=environ | variables(root), stdout=file, stderr=file)
    while running.poll() is None:
        found |= shown_by_children(running.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.2)
    assert running.returncode == code, printed.read_text()
    assert found, printed.read_text()
    return found | {f"batch {code}": printed.read_bytes()}


def test_the_runs_had_the_secrets(left: dict[str, bytes]) -> None:
    answers = [json.loads(content) for name, content in left.items() if name.startswith("answer ")]
    runs = len(answers) + sum(name.startswith("batch ") for name in left)
    assert runs == 100
    statuses = [each["status"] for each in answers]
    assert statuses.count("error") == len(FORM_NAMES) + 1  # those that raise, and the one that asks
    assert any(str(len(CONFIG)) in each.get("results", "") for each in answers)
    assert sum(b"[secret]" in content for content in left.values()) > 50
    places = [str(name) for name, content in left.items() if b"[secret]" in content]
    for ending in ("batch 0", "batch 1", "out.csv", "page.html", ".ipynb", "job.json", "log", "version.json"):
        assert any(place.endswith(ending) for place in places), ending


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
