"""Make the stored home of the runtime that is installed here. Run by hand, once for each version::

    python -m tests.data.homes.make

It starts the ``dltk serve`` beside this Python in a folder for temporary files, sends it the requests below, ends it by
kill -9 (once while a fit saves its model, once with fits that run and wait), and keeps what then lies on the disk:

* ``<version>/``: the home, laid out as the volume ``/srv`` of a container, with its notebooks in ``notebooks/``;
* ``<version>.json``: with what it was made, and what the server answered while it ran.

Never change a stored home: a new version of the runtime gets a folder of its own. Numbers, states and answers are the
same in each run; times, job ids and the hashes of the manifests' files are not.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.upgrade.blackbox import TOKEN, Server, splunk_meta, until

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
NOTEBOOKS = HERE / "notebooks"
WORKSHOP = Path(tempfile.gettempdir()) / "dltk-stored-home"  # the same each time: versions keep it beside their code
SETTINGS = {"DLTK_FIT_WORKERS": "2", "DLTK_KEEP_VERSIONS": "3", "DLTK_SPARES": "1"}

FEW = "x,y\n1,2\n2,4\n3,6\n4,9\n"
LINE = "x,y\n" + "".join(f"{x},{2 * x + x % 3}\n" for x in range(40))
STEEP = "x,y\n" + "".join(f"{x},{5 * x + x % 3}\n" for x in range(40))
MANY = "x,kind\n" + "".join(f"{x % 17},{'abc'[x % 3]}\n" for x in range(300))
DRIFTED = "x,kind\n" + "".join(f"{100 + x % 17},{'cde'[x % 3]}\n" for x in range(1200))
ROWS = "x\n1\n5\n10\n"
KINDS = "x,kind\n1,a\n2,b\n3,never\n"
OLD_VOLUME = {"offset": 1000}  # a flat file, as a DSDL container left it


def main() -> None:
    """Make the home, and say with which version."""
    made_with = versions()
    target = HERE / made_with["dltk-runtime"]
    WORKSHOP.mkdir()
    try:
        home = WORKSHOP / "srv"
        shutil.copytree(NOTEBOOKS, home / "notebooks", ignore=shutil.ignore_patterns("__pycache__"))
        models = home / "app" / "model" / "data"
        models.mkdir(parents=True)
        (models / "offset_old.json").write_text(json.dumps(OLD_VOLUME), encoding="utf-8")
        facts = {"made_with": made_with, **make(Server(home, home / "notebooks", **SETTINGS))}
        keep(home, target, json.dumps(facts, indent=1))
    finally:
        shutil.rmtree(WORKSHOP)
    sys.stdout.write(f"{target} was made with {json.dumps(made_with)}\n")


def versions() -> dict[str, str]:
    """What the home is made with."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()
    packages = {name: importlib.metadata.version(name) for name in ("dltk-runtime", "pandas", "scikit-learn")}
    return {**packages, "commit": commit, "python": platform.python_version()}


def keep(home: Path, target: Path, facts: str) -> None:
    """Copy the home beside this file, without the names of the machine and of the folders where it was made.

    These stand in claims (the host's name) and in the records of crashes (the path of the runtime). The code that a
    version keeps names `WORKSHOP`, and stays: a hash in the manifest holds it, and a moved volume has such paths too.
    """
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(home, target)
    for claim in target.glob("jobs/*/claim"):
        claim.write_text("host-of-0-1-0", encoding="utf-8")
    for record in target.glob("jobs/*/job.json"):
        record.write_text(neutral(record.read_text(encoding="utf-8")), encoding="utf-8")
    answers = target.with_name(f"{target.name}.json")
    answers.write_text(neutral(facts) + "\n", encoding="utf-8")
    kept = [answers, *(path for path in target.rglob("*") if path.is_file() and path.name != "code.json")]
    for origin in (WORKSHOP, ROOT, Path(sys.prefix)):
        foreign = [path for path in kept if str(origin).encode() in path.read_bytes()]
        assert not foreign, f"these name {origin}: {foreign}"


def neutral(text: str) -> str:
    """`text` with the runtime where an image has it."""
    return text.replace(str(ROOT), "/opt/dltk")


def make(server: Server) -> dict[str, Any]:
    """Send all requests; what the server answered at the end."""
    with server:
        fit_models(server)
        fail(server)
        stage(server)
        drift(server)
        begin(server, "offset", "torn", at="save")
        server.stop(signal.SIGKILL)  # in a save: a version's folder without a manifest
    with server:
        begin(server, "offset", "lost", at="fit")
        server.fit("offset", "waiting", FEW, "y", mode="async", by="7")
        until(lambda: job_of(server, "waiting")["state"] == "queued")
        facts = look(server)
        server.stop(signal.SIGKILL)  # one fit runs, one waits
    return facts


def fit_models(server: Server) -> None:
    """Models of four algorithms: versions beyond those that are kept, a rollback, candidates that were kept back."""
    for by in ("1", "2", "3", "4", "5"):
        done(server.fit("offset", "numbers", FEW, "y", by=by))
    server.change("POST", "/v1/models/offset/numbers/rollback")
    done(server.fit("line", "slope", LINE, "y"))
    done(server.fit("line", "slope", STEEP, "y", promote="better:r2:0.5", holdout="0.25"))
    done(server.fit("line", "slope", LINE, "y", promote="manual", with_version="t"))
    done(server.fit("counts", "kinds", MANY))
    done(server.fit("counts", "kinds", MANY))
    done(server.fit("offset", "later", FEW, "y", by="9", mode="async"), "submitted")
    until(lambda: job_of(server, "later")["state"] == "succeeded")


def fail(server: Server) -> None:
    """Fits that raise, crash, are refused, are cancelled, or whose own apply raises."""
    done(server.fit("offset", "raises", FEW, "y", at="fit", how="raise"), "error")
    done(server.fit("offset", "crashes", FEW, "y", at="fit", how="exit"), "error")
    done(server.fit("offset", "refused", FEW, "y", wrong="1"), "error")
    done(server.fit("offset", "half", FEW, "y", at="apply", how="raise"), "error")
    job = begin(server, "offset", "stopped", at="fit")
    server.change("DELETE", f"/v1/jobs/{job}")
    until(lambda: job_of(server, "stopped")["state"] == "cancelled")


def stage(server: Server) -> None:
    """Staged data, the second time over the first."""
    for data in (FEW, LINE):
        done(server.fit("offset", "staged", data, "y", mode="stage"), "staged")


def drift(server: Server) -> None:
    """Rows that are unlike those of the fit, until they are judged and the judgement is on the disk."""
    done(server.apply("counts", "kinds", DRIFTED))
    until((server.home / "drift" / "counts" / "kinds.json").exists)


def begin(server: Server, algorithm: str, model: str, at: str) -> str:
    """Begin a fit that ends only when it is ended, and wait until it is `at` that step; its job."""
    done(server.fit(algorithm, model, FEW, "y", mode="async", at=at, how="wait"), "submitted")
    until(lambda: job_of(server, model)["phase"] == at)
    return str(job_of(server, model)["id"])


def look(server: Server) -> dict[str, Any]:
    """What the server shows and answers before it is killed."""
    status = server.apply("dltk_status", "m", "x\n1\n")
    return {
        "models": server.get("/v1/models")["models"],
        "jobs": server.get("/v1/jobs")["jobs"],
        "logs": {each["id"]: log_of(server, each["id"]) for each in server.get("/v1/jobs")["jobs"]},
        "status": [row for row in status["results"].splitlines() if row.startswith("model,")],
        "applies": [ask(server, *each) for each in APPLIES],
    }


APPLIES = (
    ("offset", "numbers", ROWS, {}),
    ("offset", "numbers", ROWS, {"with_version": "t"}),
    ("offset", "later", ROWS, {}),
    ("offset", "half", ROWS, {}),
    ("offset", "old", ROWS, {}),
    ("line", "slope", ROWS, {}),
    ("line", "slope", ROWS, {"with_version": "t"}),
    ("counts", "kinds", KINDS, {}),
    ("", "kinds", KINDS, {}),
)


def ask(server: Server, algorithm: str, model: str, data: str, params: dict[str, str]) -> dict[str, Any]:
    """One apply, with its answer."""
    meta = splunk_meta(data, model, ({"algo": algorithm} if algorithm else {}) | params)
    return {"data": data, "meta": meta, "answer": server.post("/apply", data, meta)}


def log_of(server: Server, job: str) -> str:
    """What a job printed."""
    return server.send("GET", f"/v1/jobs/{job}/log", headers={"Authorization": TOKEN}).body.decode()


def job_of(server: Server, model: str) -> dict[str, Any]:
    """The newest job of a model."""
    return next(dict(each) for each in server.get("/v1/jobs")["jobs"] if each["model"] == model)


def done(answer: dict[str, Any], status: str = "success") -> None:
    """Check that a request went as it must."""
    assert answer["status"] == status, answer


if __name__ == "__main__":
    main()
