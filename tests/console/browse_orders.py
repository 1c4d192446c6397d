"""Drives one real browser as its input orders, a line of JSON each; answers each with one.

Each order is the name of a function below or of `browse_fits.py`, and its arguments, and has a session of its own.
The answer is what it `found`, or its `failure`. Runs in .venv-browser.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from browse import CHROMIUM, look, nothing, opened, picture, sign_in, watch
from browse_fits import failure, keyboard, queue, scriptless
from playwright.sync_api import Browser, Error, sync_playwright

PLANTED = """() => document.querySelector("main").insertAdjacentHTML("beforeend",
  `<button></button><input><a href="/ui"><svg></svg></a><button aria-label="named"></button>`)"""
FOREIGN = "tag => document.body.append(Object.assign(document.createElement(tag), {src: 'http://other.invalid/x'}))"
PAPER = {"width": 718, "height": 1000}  # A4 without its margins, in pixels
# What of a page that is printed would be cut off: what is wider than its place, or than the paper.
CUT = """() => [...document.querySelectorAll("main, main .wide, main table, main pre, main svg")]
  .filter(e => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 && !(e instanceof SVGElement)
    && e.tagName !== "TABLE" || e.getBoundingClientRect().right > innerWidth + 1))
  .map(e => e.outerHTML.slice(0, 200))"""
CONTROLS = """() => [...document.querySelectorAll("nav, form, button, input, select, textarea")]
  .filter(e => e.checkVisibility()).map(e => e.outerHTML.slice(0, 200))"""
COLOURS = "() => ['backgroundColor', 'color'].map(name => getComputedStyle(document.body)[name])"
REFUSED = ("status of 401", "status of 429")  # the browser's own lines about wrong tokens


def pages(browser: Browser, url: str, token: str, paths: list[str]) -> dict[str, Any]:
    """Look at each page."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    statuses = {}
    for path in paths:
        answer = page.goto(url + path)
        statuses[path] = answer.status if answer is not None else 0
        look(page, path, seen)
    return seen | {"statuses": statuses}


def planted(browser: Browser, url: str, token: str) -> dict[str, Any]:
    """Look at a page into which controls without a name were put, and a picture and a script that may not be loaded."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    page.evaluate(PLANTED)
    look(page, "planted", seen)
    for tag in ("img", "script"):
        with page.expect_console_message(lambda message: message.text.startswith("blocked: ")):
            page.evaluate(FOREIGN, tag)
    return seen


def promote(browser: Browser, url: str, token: str, path: str, number: int) -> dict[str, Any]:
    """Make a version current in the page of its model."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    page.goto(url + path)
    page.fill(f"[aria-label='why version {number}']", "the better one")
    page.click(f"[aria-label='Make version {number} current']")
    page.wait_for_selector(f"tr.current th:has-text('{number} current')")
    return seen | {"history": page.locator("main").inner_text()}


def end(browser: Browser, url: str, other: str, token: str) -> dict[str, Any]:
    """Sign in on one replica, look at both in two tabs, sign out in one of them, watch the other one's live part."""
    seen = nothing()
    page = opened(browser, url, seen)
    sign_in(page, url, token)
    tab = page.context.new_page()
    watch(tab, other, seen)
    tab.goto(other + "/ui/jobs")
    found = [tab.url.removeprefix(other)]
    tab.wait_for_function("() => document.querySelector('#live')._htmx?.sse")
    page.click("nav button")
    page.wait_for_url(url + "/ui/sign-in")
    tab.wait_for_selector("#live a:has-text('Sign in')")
    tab.wait_for_function("() => !document.querySelector('#live')._htmx.sse")
    said = tab.locator("#live").inner_text()
    for each, address in ((tab, other), (page, url)):
        each.goto(address + "/ui/models")
        found.append(each.url.removeprefix(address))
    return seen | {"places": found, "said": said}


def expired(browser: Browser, url: str, cookies: list[dict[str, Any]]) -> list[str]:
    """Return where a page leads with each cookie."""
    page = opened(browser, url, nothing())
    places = []
    for cookie in cookies:
        page.context.add_cookies([cookie | {"url": url}])
        page.goto(url + "/ui/jobs")
        places.append(page.url.removeprefix(url))
    return places


def guess(browser: Browser, url: str, wrong: int) -> dict[str, Any]:
    """Send wrong tokens; return what the page says of each."""
    seen = nothing()
    page = opened(browser, url, seen)
    said = []
    page.goto(url + "/ui/sign-in")
    for number in range(wrong):
        page.fill("input[name=token]", f"wrong-token-{number}")
        with page.expect_navigation():
            page.click("main button")
        said.append(page.locator("[role=alert]").inner_text())
    look(page, "sign-in", seen)
    seen["problems"] = [each for each in seen["problems"] if not any(status in each for status in REFUSED)]
    return seen | {"said": said}


def paper(browser: Browser, url: str, token: str, folder: str, paths: list[str]) -> dict[str, Any]:
    """Print each page on a machine whose colours are dark."""
    seen = nothing() | {"cut": {}, "controls": [], "colours": []}
    page = opened(browser, url, seen, "dark")
    sign_in(page, url, token)
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)
    for path in paths:
        page.goto(url + path)
        seen["cut"][path] = page.evaluate(CUT)
        seen["controls"] += page.evaluate(CONTROLS)
        seen["colours"].append(page.evaluate(COLOURS))
        picture(page, folder, f"print{path}")
    return seen


ORDERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (pages, planted, promote, end, expired, guess, paper, queue, failure, keyboard, scriptless)
}


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            try:
                answer = {"found": ORDERS[name](browser, *arguments)}
            except (Error, AssertionError, OSError):  # of one order: the next one has a session of its own
                answer = {"failure": traceback.format_exc()}
            for context in browser.contexts:
                context.close()
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        browser.close()


if __name__ == "__main__":
    main()
