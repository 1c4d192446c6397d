"""The console in a real browser: Chromium, driven by playwright from an environment of its own.

`make browser` runs it, `make pictures` also writes the pictures of the docs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dltk_runtime.server.console.visible import seen as visible
from dltk_runtime.texts import unquote
from tests.console import world
from tests.console.hostile import HOSTILE
from tests.support.service import ROOT, Service, until
from tests.support.wire import Gate

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

FOLDER = ROOT / "tests" / "console"
PYTHON = ROOT / ".venv-browser" / "bin" / "python"
ADMIN = "token-of-the-admin-1234"
PICTURES = "DLTK_PICTURES"  # the folder that `make pictures` wants them in
# Of the docs: by the name of the screenshot, and the height to which it is cut, in pixels.
OF_DOCS = {
    "ui-light": ("overview", 985),
    "job": ("job", 590),
    "ui-jobs-failed-dark": ("failure", 980),
    "ui-models-pump_wear-line_4-light": ("model", 760),
    "search": ("search", 1040),
    "results": ("try", 1330),
}
MODEL = f"/ui/models/{world.WEAR}/line_4"


@pytest.fixture(scope="module")
def chromium() -> None:
    """Debian's Chromium, which root installs here; playwright's own is on a host that may be out of reach."""
    if not PYTHON.exists():
        pytest.skip("no playwright: make browser")
    made = subprocess.run(
        ["sh", str(ROOT / "tools" / "debian.sh"), "chromium"], check=False, capture_output=True, text=True
    )
    if made.returncode or not shutil.which("chromium"):
        pytest.skip(f"no Chromium: {made.stderr.strip()[-300:] or 'apt-get install chromium'}")


@pytest.fixture(scope="module")
def service(chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("browser")
    world.write(root / "notebooks")
    with Service(root / "home", root / "notebooks", DLTK_ADMIN_TOKEN=ADMIN) as service:
        world.fill(service)
        if PICTURES in os.environ:
            world.fill_more(service)
        yield service


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for screenshots; those of the docs go on to where they are wanted."""
    folder = tmp_path_factory.mktemp("pictures")
    yield folder
    if wanted := os.environ.get(PICTURES):
        for name, (called, height) in OF_DOCS.items():
            keep(folder / f"{name}.png", Path(wanted) / f"{called}.png", height)


def keep(source: Path, target: Path, height: int) -> None:
    """Write a screenshot for the docs: its upper part, in few colours."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        upper = image.crop((0, 0, image.width, min(height, image.height)))
        upper.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def job_of(service: Service, state: str, model: str) -> str | None:
    return next((each["id"] for each in service.jobs() if (each["state"], each["model"]) == (state, model)), None)


def test_every_page_and_a_fit_that_is_watched_live(service: Service, pictures: Path) -> None:
    gate = Gate(service.home)
    arguments = (world.WEAR, world.rows(200), "line_9", "wear")
    fit = threading.Thread(target=service.fit, args=arguments, kwargs={"gated": "true"})
    fit.start()
    job = until(lambda: job_of(service, "running", "line_9"))
    gate.open_for_one()  # the second step: a curve has two points
    command = [PYTHON, FOLDER / "browse.py", service.url, ADMIN, pictures, MODEL, job]
    command.append(str(job_of(service, "failed", "line_7")))
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        first = run.stdout.readline()
        gate.open_for_one()
        rest, errors = run.communicate(timeout=600)
    fit.join()
    assert first == "watching\n", errors
    assert rest, errors
    found = json.loads(rest)
    assert_nothing_wrong(found)
    assert found["without_script"] == f"{world.WEAR} / line_4"
    assert "running" in found["first"]
    assert "succeeded" in found["last"]
    assert [each.partition(":")[0] for each in found["curves"]] == ["rmse", "mae"]
    assert len(list(pictures.glob("ui*.png"))) == 22
    assert found["background"]["light"] == "rgb(255, 255, 255)"
    assert found["background"]["dark"].startswith("rgb(19, 2")


def assert_nothing_wrong(found: dict[str, Any]) -> None:
    """Nothing blocked, no error of the console, foreign request, nameless control, or page wider than its window."""
    assert (found["problems"], found["foreign"], found["nameless"]) == ([], [], [])
    assert {place: width for place, width in found["overflow"].items() if width > 0} == {}


def test_forms_by_keyboard_and_sixty_hostile_texts(service: Service, pictures: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.json"
    given.write_text(json.dumps({"texts": HOSTILE, "rows": world.rows(150, wear=False, start=90)}), encoding="utf-8")
    command = [PYTHON, FOLDER / "browse_forms.py", service.url, ADMIN, pictures, given]
    run = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert_nothing_wrong(found)
    values = 'epochs=12 loss=absolute site="north yard" wear from temperature vibration hours into app:line_4'
    assert found["search"] == f"| fit MLTKContainer algo={world.WEAR} {values}"
    assert found["address"] == f"/ui/algorithms/{world.WEAR}", "the page was not loaded again"
    assert found["bounds"] == "epochs is '501': expected an integer at least 1, at most 500."
    assert "cannot be written in a search" in found["problem"]
    assert [row[1] for row in found["pasted"]] == ["ok", "look", "look", "ok"]
    assert found["file"].startswith("150 rows in. The first 100 rows of the results, of 150:")
    assert (found["dropped"], found["drop"]) == (["dropped.csv"], found["file"])
    assert "Version 1 is current: searches apply it" in found["warning"]
    assert "write the model's name, notes, to confirm" in found["refusal"]
    assert [each.split("\t")[1:3] for each in found["deeds"]] == [
        ["free_text / notes", "deleted"],
        ["pump_wear / line_4", "code pinned"],
    ]
    assert [each.split("\t")[5] for each in found["deeds"]] == ["a trial", "held for the audit"]
    assert "rows = df[FIELDS].astype(float)" in found["marked"]
    assert found["plain_search"] == f"| fit MLTKContainer algo={world.WEAR} hours into app:m"
    assert found["plain_rows"] == 4
    assert found["strange"] == 0
    assert found["cells"] == [visible(text) for text in HOSTILE]
    assert found["heads"] == [visible(text) for text in HOSTILE[: len(found["heads"])]]
    assert len(found["heads"]) == 36
    assert found["parameters"] == [unquote(text) for text in world.TEXTS], "a default is read as a search has it"
    assert [each.partition(";")[0] for each in found["helps"]] == [text.partition(";")[0] for text in world.TEXTS]
