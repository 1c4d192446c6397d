"""Drives a real browser to the page of the machines; runs in .venv-browser, prints what it saw as JSON.

python browse_cluster.py URL TOKEN FOLDER   FOLDER is for screenshots; once it prints a line, a node has to end
"""

from __future__ import annotations

import json
import sys

from browse import CHROMIUM, look, nothing, opened, picture, sign_in
from playwright.sync_api import sync_playwright

PATH = "/ui/cluster"


def main(url: str, token: str, folder: str) -> None:
    seen = nothing()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("dark", "light"):
            page = opened(browser, url, seen, scheme)
            sign_in(page, url, token)
            page.get_by_role("link", name="Machines").click()
            page.wait_for_url(url + PATH)
            if scheme == "light":
                look(page, PATH, seen)
            picture(page, folder, f"cluster-{scheme}")
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        page.get_by_role("region", name="Machines that are gone").wait_for()
        picture(page, folder, "cluster-gone")
        seen["gone"] = (
            page.get_by_role("region", name="Machines that are gone").get_by_role("rowheader").all_inner_texts()
        )
        seen["rows"] = page.locator("#live table").first.get_by_role("rowheader").all_inner_texts()
        seen["bars"] = page.get_by_role("img", name="share of GPUs taken").count()
        browser.close()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
