"""Drives a real browser through the console; runs in .venv-browser, prints what it saw as JSON.

python browse.py URL TOKEN FOLDER MODEL JOB      FOLDER is for screenshots, JOB is a fit that runs
"""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATHS = ("/ui", "/ui/jobs", "/ui/models", "/ui/drift", "/ui/history", "/ui/algorithms")
# Controls without a name in the accessibility tree.
NAMELESS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select")]
  .filter(e => !(e.innerText || e.ariaLabel || e.labels?.[0]?.innerText || e.title)).map(e => e.outerHTML)"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def main(url: str, token: str, folder: str, model: str, job: str) -> None:
    seen: dict[str, Any] = {"problems": [], "foreign": [], "nameless": [], "overflow": {}}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme).new_page()
            watch(page, url, seen)
            sign_in_by_keyboard(page, url, token)
            for path in (*PATHS, model):
                page.goto(url + path)
                look(page, path, seen)
                name = path.strip("/").replace("/", "-")
                page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=path != "/ui/algorithms")
        follow(page, url, job, folder, seen)
        plain = browser.new_context(java_script_enabled=False).new_page()
        sign_in(plain, url, token)
        plain.goto(url + model)
        seen["without_script"] = plain.locator("h1").inner_text()
        browser.close()
    sys.stdout.write(json.dumps(seen))


def watch(page: Page, url: str, seen: dict[str, Any]) -> None:
    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            seen["problems"].append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: seen["problems"].append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((url, "data:")) else seen["foreign"].append(request.url),
    )


def sign_in_by_keyboard(page: Page, url: str, token: str) -> None:
    page.goto(url + "/")
    page.wait_for_function("document.activeElement.name === 'token'")  # the field gets the focus by itself
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.wait_for_url(url + "/ui")


def sign_in(page: Page, url: str, token: str) -> None:
    page.goto(url + "/ui/sign-in")
    page.fill("input[name=token]", token)
    page.click("main button")
    page.wait_for_url(url + "/ui")


def look(page: Page, path: str, seen: dict[str, Any]) -> None:
    seen["nameless"] += page.evaluate(NAMELESS)
    for width in (360, 1600, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        seen["overflow"][f"{path} at {width}"] = page.evaluate(OVERFLOW)


def follow(page: Page, url: str, job: str, folder: str, seen: dict[str, Any]) -> None:
    """Watch a fit from its first curve to its end."""
    page.goto(f"{url}/ui/jobs/{job}")
    page.wait_for_selector("figure.curve canvas", timeout=120_000)
    seen["first"] = page.locator("#live [role=status]").inner_text()
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    page.wait_for_selector("#live .state.succeeded", timeout=120_000)
    page.screenshot(path=f"{folder}/job.png", full_page=True)
    seen["last"] = page.locator("#live [role=status]").inner_text()
    seen["curves"] = page.locator("figure.curve figcaption").all_inner_texts()


if __name__ == "__main__":
    main(*sys.argv[1:])
