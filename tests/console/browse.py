"""Drives a real browser through the console; runs in .venv-browser, prints what it saw as JSON.

python browse.py URL TOKEN FOLDER MODEL JOB FAILED   FOLDER is for screenshots, JOB is a fit that runs
"""

from __future__ import annotations

import json
import sys
from typing import Any

from browse_names import nameless
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATHS = ("/ui", "/ui/jobs", "/ui/models", "/ui/drift", "/ui/history", "/ui/algorithms", "/ui/algorithms/pump_wear")
WAIT_MILLISECONDS = 120_000  # for anything, on a busy machine
WIDTHS = (360, 1600, 1200)
# After two frames, in which what follows the size of the window has done so.
OVERFLOW = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
  done(document.documentElement.scrollWidth - document.documentElement.clientWidth))))"""
BACKGROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
# Reports what the policy blocks, also where the console says nothing of it.
REPORTS = """addEventListener("securitypolicyviolation",
  event => console.error("blocked: " + event.violatedDirective + " " + event.blockedURI))"""


def main(url: str, token: str, folder: str, model: str, job: str, failed: str) -> None:
    seen = nothing()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        paths = (*PATHS, model, f"{model}/try", f"{model}/versions/2/card", f"/ui/jobs/{failed}")
        for scheme in ("light", "dark"):
            page = opened(browser, url, seen, scheme)
            sign_in_by_keyboard(page, url, token)
            seen.setdefault("background", {})[scheme] = page.evaluate(BACKGROUND)
            for path in paths:
                page.goto(url + path)
                if scheme == "light":
                    look(page, path, seen)
                picture(page, folder, f"{path.replace(failed, 'failed')}-{scheme}")
        follow(page, url, job, folder, seen)
        plain = opened(browser, url, seen, script=False)
        sign_in(plain, url, token)
        plain.goto(url + model)
        seen["without_script"] = plain.locator("h1").inner_text()
        browser.close()
    sys.stdout.write(json.dumps(seen))


def nothing() -> dict[str, Any]:
    return {"problems": [], "foreign": [], "nameless": [], "overflow": {}}


def opened(browser: Browser, url: str, seen: dict[str, Any], scheme: str = "light", *, script: bool = True) -> Page:
    """A page of a new session that notes what goes wrong in it."""
    window = {"width": 1200, "height": 800}
    context = browser.new_context(viewport=window, color_scheme=scheme, java_script_enabled=script)
    context.set_default_timeout(WAIT_MILLISECONDS)
    context.add_init_script(REPORTS)
    page = context.new_page()
    watch(page, url, seen)
    return page


def watch(page: Page, url: str, seen: dict[str, Any]) -> None:
    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            seen["problems"].append(message.text)

    def asked(dialog: Any) -> None:
        seen["problems"].append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", said)
    page.on("dialog", asked)
    page.on("pageerror", lambda error: seen["problems"].append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((url, "data:")) else seen["foreign"].append(request.url),
    )


def sign_in_by_keyboard(page: Page, url: str, token: str) -> None:
    page.goto(url + "/")
    page.wait_for_function("() => document.activeElement.name === 'token'")  # the field gets the focus by itself
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.wait_for_url(url + "/ui")


def sign_in(page: Page, url: str, token: str) -> None:
    page.goto(url + "/ui/sign-in")
    page.fill("input[name=token]", token)
    page.click("main button")
    page.wait_for_url(url + "/ui")


def look(page: Page, path: str, seen: dict[str, Any]) -> None:
    """Note controls without a name, and how far the page is wider than the window."""
    seen["nameless"] += nameless(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        seen["overflow"][f"{path} at {width}"] = page.evaluate(OVERFLOW)


def picture(page: Page, folder: str, name: str, *, whole: bool = True) -> None:
    page.evaluate("() => scrollTo(0, 0)")
    page.screenshot(path=f"{folder}/{name.strip('/').replace('/', '-')}.png", full_page=whole)


def follow(page: Page, url: str, job: str, folder: str, seen: dict[str, Any]) -> None:
    """Watch a fit from its first curve to its end."""
    page.goto(f"{url}/ui/jobs/{job}")
    page.wait_for_selector("figure.curve canvas")
    seen["first"] = page.locator("#live [role=status]").inner_text()
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    page.wait_for_selector("#live .state.succeeded")
    look(page, "job", seen)
    picture(page, folder, "job")
    seen["last"] = page.locator("#live [role=status]").inner_text()
    seen["curves"] = page.locator("figure.curve figcaption").all_inner_texts()


if __name__ == "__main__":
    main(*sys.argv[1:])
