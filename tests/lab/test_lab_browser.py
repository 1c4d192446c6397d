"""JupyterLab in a browser: open, edit and save a notebook, see its review, run it in the service."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.lab import templates
from dltk_runtime.paths import Paths
from tests.lab.browser import Browser
from tests.lab.test_trial import stage
from tests.support.service import Service, until

pytestmark = pytest.mark.process

TOKEN = "for-this-test-alone"
# The text of the message about the notebook.
TOAST = """[...document.querySelectorAll('.Toastify__toast')]
    .map(each => each.textContent)
    .find(text => text.includes('edited.ipynb'))"""
# One message is left, and it has come in from the side.
SETTLED = """(toasts => toasts.length === 1 && toasts[0].getBoundingClientRect().right <= window.innerWidth
    && toasts[0].getAnimations().length === 0)(document.querySelectorAll('.Toastify__toast'))"""
CLICK = """(found => found && (found.click(), true))(
    [...document.querySelectorAll('PLACE')].find(each => each.textContent.includes('LABEL')))"""
# Presses "Ok" in the dialog with that title, and in no other that may be open.
ANSWER = """(found => found && (found.querySelector('.jp-mod-accept').click(), true))(
    [...document.querySelectorAll('.jp-Dialog')].find(each => each.textContent.includes('TITLE')))"""
BADGES = """PANEL.content.widgets.filter(cell => cell.hasClass('dltk-exported'))
    .map(cell => cell.node.dataset.dltkBadge)"""
BADGED = [f"service: mltkc_{name}" for name in ("import", "stage", "init", "fit", "apply", "save", "load", "summary")]
# The text of the message about a fit that has ended, well or not; that about the saved notebook begins with its name.
ENDED = """[...document.querySelectorAll('.Toastify__toast--success, .Toastify__toast--error')]
    .map(each => each.textContent)
    .find(text => !text.startsWith('edited.ipynb'))"""
# Answers about saved notebooks arrive when a fit is being waited for, as on a slow machine.
LATE = """const sent = window.fetch;
window.fetch = async (...given) => {
    const url = String(given[0].url ?? given[0]);
    while (url.includes('dltk/review') && !document.body?.textContent.includes('edited.ipynb: fit on')) {
        await new Promise(resolve => setTimeout(resolve, 50));
    }
    return sent(...given);
};"""
# What is open on the page, for whoever reads why a test failed.
SHOWN = """[...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(each => each.textContent).join('; ')"""
OPENED = "[...window.jupyterapp.shell.widgets('main')].some(widget => widget.title.label === 'brand_new.ipynb')"
PANEL = "[...window.jupyterapp.shell.widgets('main')].find(widget => widget.context)"
# Puts the cursor behind a text in the cell that holds it.
CURSOR = """(() => {
    const notebook = PANEL.content;
    const index = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.includes(TEXT));
    notebook.activeCellIndex = index;
    notebook.mode = 'edit';
    const editor = notebook.activeCell.editor;
    editor.focus();
    editor.setCursorPosition(editor.getPositionAt(editor.model.sharedModel.source.indexOf(TEXT) + TEXT.length));
    return editor.hasFocus();
})()"""

META = {
    "options": {"params": {"algo": "edited"}, "model_name": "m"},
    "feature_variables": ["x"],
    "target_variables": ["y"],
}


@contextmanager
def lab(paths: Paths) -> Iterator[str]:
    """Start JupyterLab on the notebooks; return its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    options = [
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
    ]
    command = [sys.executable, "-m", "dltk_runtime.cli", "lab", "--home", str(paths.home), "--notebooks"]
    command += [str(paths.notebooks), "--", *options, f"--IdentityProvider.token={TOKEN}"]
    settings = paths.home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false"}')
    command += [f"--LabApp.user_settings_dir={paths.home / 'settings'}"]
    # Nothing of the settings and layouts of whoever runs the test; the choice of code is that of `Service`.
    environ = {**os.environ, "HOME": str(paths.home), "JUPYTER_CONFIG_DIR": str(paths.home / "config")}
    environ["DLTK_VERSION_CODE"] = "live"
    with open(paths.home / "lab.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()  # AnyIO's idle threads keep a server that is stopped while a page is still loading
            process.wait()


def put_cursor_behind(browser: Browser, text: str) -> None:
    browser.wait_for(CURSOR.replace("PANEL", PANEL).replace("TEXT", repr(text)))


def fit(service: Service) -> dict[str, Any]:
    return service.post("/fit", data="x,y\n1,2\n2,4\n", meta=META)


@pytest.mark.timeout(900)
def test_a_save_says_what_the_notebook_means_and_the_service_answers_with_it(paths: Paths, tmp_path: Path) -> None:
    templates.write(paths.notebooks, "edited", "bare")
    screenshot = Path(os.environ.get("DLTK_SCREENSHOT", tmp_path / "lab.png"))
    with (
        Service(home=paths.home, notebooks=paths.notebooks) as service,
        lab(paths) as url,
        Browser(tmp_path / "profile") as browser,
    ):
        assert fit(service)["results"] == "score\n3.0\n3.0\n"
        browser.wait_for(f"fetch('{url}/api', {{mode: 'no-cors'}}).then(() => true)")
        browser.open(f"{url}/lab/tree/edited.ipynb?token={TOKEN}")
        browser.wait_for(f"{PANEL}.context.isReady")

        badges = BADGES.replace("PANEL", f"({PANEL})")
        assert browser.wait_for(f"(found => found.length && found)({badges})") == BADGED
        put_cursor_behind(browser, 'model["mean"] * model["factor"]')
        browser.type(" + 40")
        browser.save()
        assert browser.wait_for(TOAST) == "edited.ipynb: no problem; the next apply of m runs this code"
        assert fit(service)["results"] == "score\n43.0\n43.0\n"

        put_cursor_behind(browser, 'float(df[model["target"]].mean())')
        browser.type(" + offset")
        browser.save()
        hint = browser.wait_for(f"(text => text.includes('offset') && text)({TOAST})")
        assert "hint: edited.ipynb, cell 8 (mltkc_fit), line 3" in hint
        assert "'offset' is defined nowhere in the notebook" in hint
        browser.wait_for(SETTLED)
        browser.screenshot(screenshot)
        assert "name 'offset' is not defined" in fit(service)["message"]

        put_cursor_behind(browser, "def apply(model, df, param")
        browser.type(", more")
        browser.save()
        problem = browser.wait_for(f"(text => text.includes('called') && text)({TOAST})")
        assert "it cannot be called as apply(model, df, param)" in problem

        browser.evaluate("window.jupyterapp.commands.execute('launcher:create').then(() => true)")
        browser.wait_for(CLICK.replace("PLACE", ".jp-LauncherCard").replace("LABEL", "Algorithm (sklearn)"))
        browser.wait_for("document.activeElement.matches('.jp-Dialog input')")
        browser.type("brand_new")
        browser.wait_for(CLICK.replace("PLACE", ".jp-Dialog button").replace("LABEL", "Ok"))
        browser.wait_for(OPENED)
        assert (paths.notebooks / "brand_new.ipynb").exists()
    assert screenshot.stat().st_size > 10_000
    assert "'offset' is defined nowhere" in (paths.home / "lab.log").read_text()


@pytest.mark.timeout(900)
def test_a_notebook_is_fitted_on_staged_data_as_the_service_would(paths: Paths, tmp_path: Path) -> None:
    templates.write(paths.notebooks, "edited", "bare")
    stage(paths, "mine", "edited")
    with lab(paths) as url, Browser(tmp_path / "profile") as browser:
        browser.wait_for(f"fetch('{url}/api', {{mode: 'no-cors'}}).then(() => true)")
        browser.send("Page.addScriptToEvaluateOnNewDocument", source=LATE)
        browser.open(f"{url}/lab/tree/edited.ipynb?token={TOKEN}")
        browser.wait_for(f"{PANEL}.context.isReady")
        browser.wait_for("window.jupyterapp.commands.isEnabled('dltk:fit-staged')")
        notice = {"message": "of another extension", "options": {"autoClose": False}}
        browser.evaluate(
            f"window.jupyterapp.commands.execute('apputils:notify', {json.dumps(notice)}).then(() => true)"
        )
        browser.evaluate("(window.jupyterapp.commands.execute('dltk:fit-staged'), true)")
        browser.wait_for(ANSWER.replace("TITLE", "Fit as the service would"))
        try:
            ended = until(lambda: browser.evaluate(ENDED), 600)
        except AssertionError as error:
            log = (paths.home / "lab.log").read_text(errors="replace")
            raise AssertionError(f"{error}; shown: {browser.evaluate(SHOWN)}; JupyterLab: {log[-4000:]}") from None
        assert "Version 1 of model 'mine'" in ended
        assert "of another extension" in browser.evaluate(SHOWN)
        browser.screenshot(Path(os.environ.get("DLTK_SCREENSHOT_FIT", tmp_path / "fit.png")))
    versions = paths.models / "versions" / "edited" / "mine"
    assert (versions / "1" / "version.json").is_file()


@pytest.mark.timeout(900)
def test_tensorboard_shows_the_logs_beside_the_notebooks_to_who_has_jupyters_token(paths: Paths) -> None:
    (paths.notebooks / "logs").mkdir()

    def page(url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=120) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            return ""

    with lab(paths) as url:
        until(lambda: "Jupyter" in page(f"{url}/login"), 120)
        assert "tb-relative-root" in until(lambda: page(f"{url}/tensorboard/?token={TOKEN}"), 200)
        assert "tb-relative-root" not in page(f"{url}/tensorboard/")
