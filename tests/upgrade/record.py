"""Record what the runtime answers to the scenario. Run by hand, at a commit whose answers are known to be right::

    python -m tests.upgrade.record

It starts the ``dltk serve`` beside this Python in a temporary folder and writes ``recorded/answers.jsonl``: one line
for each request, with its name, status, headers and body, all masked (see `masking`). ``recorded/made_with.json`` says
with which versions.
"""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.upgrade.blackbox import TOKEN, Answer, Server, until
from tests.upgrade.masking import Mask
from tests.upgrade.scenario import RECORDED, Step, body_of, route_of, steps, write_notebook, write_notebooks

ANSWERS = RECORDED / "answers.jsonl"
CHANGED = RECORDED / "changed.jsonl"  # answers that differ on purpose by more than a reworded text, each with `why`
MADE_WITH = RECORDED / "made_with.json"
ADMIN = "token-of-the-admin"
SETTINGS = {
    "DLTK_REFUSE_UNKNOWN": "true",  # as when the answers were recorded
    "DLTK_VERSION_CODE": "live",
    "DLTK_ADMIN_TOKEN": ADMIN,
    "DLTK_APPLY_WORKERS": "12",
    "DLTK_FIT_TIMEOUT": "20",
    "DLTK_FIT_WORKERS": "3",
    "DLTK_GPUS": "none",
    "DLTK_KEEP_VERSIONS": "2",
    "DLTK_MAX_BODY": "1M",
    "DLTK_MAX_QUEUED": "1",
    "DLTK_SPARES": "3",
}
HELPER = """
def doubled(df):
    return df[["x"]] * 2


def fails(df):
    raise ValueError("the helper fails")
"""
MODULE = """
def init(df, param):
    return {}


def fit(model, df, param):
    return {"rows": len(df)}


def apply(model, df, param):
    return [7] * len(df)
"""
VARYING = ("date",)  # headers that say nothing about the answer


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, not masked yet; with `samples` its body is Prometheus' text."""

    name: str
    status: int
    headers: str
    body: str
    samples: bool = False


def serve(folder: Path) -> Server:
    """A server over a new home in `folder`, not started yet."""
    home, notebooks = folder / "home", folder / "notebooks"
    (notebooks / "app" / "model").mkdir(parents=True)
    (home / "app" / "model").mkdir(parents=True)
    write_notebooks(notebooks)
    (notebooks / "app" / "model" / "helper.py").write_text(HELPER, encoding="utf-8")
    (home / "app" / "model" / "module.py").write_text(MODULE, encoding="utf-8")
    return Server(home, notebooks, **SETTINGS)


def mask_for(server: Server) -> Mask:
    """The mask for the answers of a running server."""
    pandas = importlib.util.find_spec("pandas")
    assert pandas is not None
    assert pandas.origin is not None
    packages, python = str(Path(pandas.origin).parent.parent), sysconfig.get_paths()["stdlib"]
    places = {str(server.home): "<home>", str(server.notebooks): "<notebooks>", packages: "<packages>"}
    port = server.url.rsplit(":", 1)[1]
    return Mask(places | {python: "<python>", f"127.0.0.1:{port}": "127.0.0.1:<port>"})


def play(server: Server, scenario: Iterable[Step]) -> Iterator[Reply]:
    """Send the scenario's requests to a running server, one after another; what is recorded of each."""
    jobs: dict[str, str] = {}
    waiting: dict[str, Future[Answer]] = {}
    with ThreadPoolExecutor() as pool:
        for step in scenario:
            _prepare(server, step, jobs)
            if "answer_of" in step:
                answer = waiting.pop(step["answer_of"]).result()
            elif step.get("background"):
                waiting[step["name"]] = pool.submit(_send, server, step, jobs)
                continue
            else:
                answer = _send(server, step, jobs)
            if "remember" in step:
                jobs[step["remember"]] = server.get("/v1/jobs")["jobs"][0]["id"]
            if not step.get("unrecorded"):
                yield _reply(step, answer)
    assert not waiting, f"nothing asks for the answers of {list(waiting)}"


def masked(reply: Reply, mask: Mask) -> dict[str, Any]:
    """An answer as `ANSWERS` has it."""
    headers = mask(reply.headers).text
    body = mask(reply.body, samples=reply.samples).text
    return {"name": reply.name, "status": reply.status, "headers": headers, "body": body}


def read(path: Path = ANSWERS) -> list[dict[str, Any]]:
    """The recorded answers."""
    with open(path, encoding="utf-8") as lines:  # `splitlines` would split at U+2028 too
        return [json.loads(line) for line in lines]


def _prepare(server: Server, step: Step, jobs: dict[str, str]) -> None:
    """Do what a step says that comes before its request."""
    for path, text in step.get("files", {}).items():
        target = server.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for target, name in step.get("notebooks", {}).items():
        write_notebook(name, server.notebooks / f"{target}.ipynb")
    for source, target in step.get("move", {}).items():
        (server.home / source).rename(server.home / target)
    if "wait" in step:
        path, text = step["wait"]
        pattern = re.compile(text)
        until(lambda: pattern.search(_ask(server, _filled(path, jobs))), 90)


def _ask(server: Server, path: str) -> str:
    return server.send("GET", path, headers={"Authorization": TOKEN}).body.decode()


def _send(server: Server, step: Step, jobs: dict[str, str]) -> Answer:
    method, path = route_of(step)
    headers = {"Content-Type": "application/json"} if method in ("POST", "PUT") else {}
    authorization = step.get("authorization", "{token}")
    if authorization is not None:
        headers["Authorization"] = authorization.format(token=TOKEN, admin=ADMIN)
    return server.send(method, _filled(path, jobs), body_of(step), headers | step.get("headers", {}))


def _filled(path: str, jobs: dict[str, str]) -> str:
    return re.sub(r"\{job:(\w+)\}", lambda found: jobs[found[1]], path)


def _reply(step: Step, answer: Answer) -> Reply:
    headers = [
        f"{name}: {_header(name, value, answer)}" for name, value in sorted(answer.headers) if name not in VARYING
    ]
    samples = step.get("send") == "GET /metrics"
    body = "" if step.get("part") == "status" else _text(answer.body)
    body = _in_order(body) if samples else body
    return Reply(step["name"], answer.status, "\n".join(headers), body, samples)


def _header(name: str, value: str, answer: Answer) -> str:
    """A header's value.

    Allow comes in the order of a set. Content-Length depends on the lengths of times and ids, so it is recorded as
    right or wrong; an answer to HEAD has none to compare it with.
    """
    if name == "allow":
        return ", ".join(sorted(value.split(", ")))
    is_right = name == "content-length" and (not answer.body or value == str(len(answer.body)))
    return "<of the body>" if is_right else value


def _in_order(text: str) -> str:
    """Prometheus' text with the samples of each family in the order of their labels, not of their first use."""
    families = re.split(r"^(?=# HELP )", text, flags=re.MULTILINE)
    return "".join("".join(sorted(family.splitlines(keepends=True))) for family in families)


def _text(body: bytes) -> str:
    """The body as text, which is in Base64 when it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


def versions() -> dict[str, str]:
    """The versions of what is compared and of what has texts of its own in the answers."""
    packages = {name: importlib.metadata.version(name) for name in ("dltk-runtime", "pandas", "numpy", "starlette")}
    return {**packages, "python": platform.python_version()}


def main() -> None:
    """Record, into `ANSWERS`."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        mask = mask_for(server)
        lines = [json.dumps(masked(reply, mask), ensure_ascii=False) for reply in play(server, steps())]
    ANSWERS.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    MADE_WITH.write_text(json.dumps(versions(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(lines)} answers are in {ANSWERS}\n")


if __name__ == "__main__":
    main()
