"""Orders for `browse_orders.py`: fits that wait, run and fail; changes by keyboard; pages without a script."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from browse import WAIT_MILLISECONDS, look, nothing, opened, sign_in
from browse_forms import STRANGE, tab_to
from playwright.sync_api import Browser, Page

STATUS = "#live [role=status]"
OTHER_STATE = """before => {
  const found = document.querySelector("#live .state")
  return found && !found.matches("." + before)
}"""
LOOK_MILLISECONDS = 100


def pass_gate(page: Page, gate: str) -> None:
    """Wait until a notebook stands before the gate, and let it pass."""
    for _ in range(WAIT_MILLISECONDS // LOOK_MILLISECONDS):
        with contextlib.suppress(OSError):  # ENXIO: nobody reads
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
            return
        page.wait_for_timeout(LOOK_MILLISECONDS)
    raise AssertionError("no notebook has come to the gate")


def queue(browser: Browser, url: str, token: str, job: str, gate: str) -> dict[str, Any]:
    """Watch a fit that waits behind another one until its end; let first that one pass the gate, then it."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    page.goto(f"{url}/ui/jobs/{job}")
    page.wait_for_function("() => document.querySelector('#live')._htmx?.sse")
    said = [page.locator(STATUS).inner_text()]
    for before in ("queued", "running"):
        pass_gate(page, gate)
        page.wait_for_function(OTHER_STATE, arg=before)
        said.append(page.locator(STATUS).inner_text())
    look(page, "job", seen)
    return seen | {"said": said, "live": page.locator("#live").inner_text()}


def failure(browser: Browser, url: str, token: str, job: str) -> dict[str, Any]:
    """Look at the page of a fit that failed."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    page.goto(f"{url}/ui/jobs/{job}")
    look(page, "failure", seen)
    marked = page.locator("pre.cell .marked").inner_text()
    log = page.locator("pre.log").text_content()
    return seen | {"marked": marked, "log": log, "strange": page.evaluate(STRANGE)}


def keyboard(browser: Browser, url: str, token: str, path: str, number: int, before: int) -> dict[str, Any]:
    """Make a version current in the page of its model, then roll back, by keyboard alone."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    page.goto(url + path)
    tab_to(page, f"[aria-label='why version {number}']")
    page.keyboard.type("by keyboard")
    tab_to(page, f"[aria-label='Make version {number} current']")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"tr.current th:has-text('{number} current')")
    tab_to(page, "[aria-label='why roll back']")
    page.keyboard.type("back by keyboard")
    tab_to(page, "form[action$='/rollback'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"tr.current th:has-text('{before} current')")
    return seen | {"history": page.locator("main").inner_text()}


def scriptless(browser: Browser, url: str, token: str, paths: list[str], job: str) -> dict[str, Any]:
    """Return the rows of each page, and the curves of a job's, where JavaScript is off."""
    seen = nothing()
    page = opened(browser, url, seen, script=False)
    sign_in(page, url, token)
    rows = {}
    for path in paths:
        page.goto(url + path)
        rows[path] = page.locator("main tbody tr").all_inner_texts()
    page.goto(f"{url}/ui/jobs/{job}")
    curves = page.locator("figure.curve:has(svg polyline[points]) figcaption").all_inner_texts()
    return seen | {"rows": rows, "curves": curves}
