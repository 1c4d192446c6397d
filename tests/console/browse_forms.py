"""Drives a real browser through the forms of the console by keyboard; prints what it saw as JSON.

python browse_forms.py URL TOKEN FOLDER GIVEN   FOLDER is for screenshots, GIVEN a JSON file: hostile `texts`, `rows`
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from browse import CHROMIUM, look, nothing, opened, picture, sign_in, sign_in_by_keyboard
from playwright.sync_api import Page, sync_playwright

MAX_TABS = 60  # until a control has the focus
# What no text may become: elements that none of our pages has, and attributes that run code.
STRANGE = """() => document.querySelectorAll(`main :is(script, iframe, object, embed, img, base, meta, link, math,
  animate, style, [onload], [onerror], [onclick], [onfocus], [ontoggle], [style], [hx-on\\\\:load])`).length"""
ROWS = "temperature,vibration,hours\n58.1,2.4,10\n66.0,3.1,190\n71.5,4.2,320\n60.2,2.9,40\n"


def main(url: str, token: str, folder: str, file: str) -> None:
    seen, given = nothing(), json.loads(Path(file).read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = opened(browser, url, seen)
        sign_in_by_keyboard(page, url, token)
        write_a_search(page, url, folder, seen)
        try_a_model(page, url, folder, given["rows"], seen)
        hostile(page, url, given["texts"], seen)
        change_a_model(page, url, folder, seen)
        plain = opened(browser, url, seen, script=False)
        sign_in(plain, url, token)
        without_script(plain, url, seen)
        browser.close()
    # The browser's own lines about rows on which the notebook failed, and a deletion without its name.
    refused = ("status of 422", "status of 400")
    seen["problems"] = [each for each in seen["problems"] if not any(status in each for status in refused)]
    sys.stdout.write(json.dumps(seen))


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Move the focus to a control by the tabulator alone."""
    for _ in range(MAX_TABS):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no tabulator leads to {selector}")


def write_a_search(page: Page, url: str, folder: str, seen: dict[str, Any]) -> None:
    """Fill in the form of an algorithm by keyboard; the search follows without a click."""
    page.goto(f"{url}/ui/algorithms/pump_wear")
    for selector, text in (
        ("[name=target]", "wear"),
        ("[name=fields]", "temperature, vibration, hours"),
        ("[name=model]", "line_4"),
        ("[name='param.epochs']", "12"),
    ):
        tab_to(page, selector)
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(text)
    tab_to(page, "[name='param.loss']")
    page.keyboard.press("ArrowDown")
    tab_to(page, "[name='param.site']")
    page.keyboard.type("north yard")
    page.wait_for_function("() => document.querySelector('#search textarea')?.value.includes('north yard')")
    seen["search"] = page.locator("#search textarea").input_value()
    seen["address"] = page.url.removeprefix(url)
    look(page, "search", seen)
    tab_to(page, "#search button", "Shift+Tab")
    picture(page, folder, "search")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search button:has-text('Copied')")
    page.fill("[name='param.epochs']", "501")
    page.wait_for_selector("label:has([name='param.epochs']) small .problem")
    seen["bounds"] = page.locator("#search .problem").inner_text()
    page.fill("[name='param.epochs']", "12")
    page.wait_for_function("() => !document.querySelector('main .problem')")
    page.fill("[name='param.site']", 'a "b"')
    page.wait_for_selector("#search .problem")
    seen["problem"] = page.locator("#search .problem").inner_text()


def try_a_model(page: Page, url: str, folder: str, rows: str, seen: dict[str, Any]) -> None:
    """Paste rows by keyboard, then choose a file, then rows that the notebook cannot take."""
    page.goto(f"{url}/ui/models/pump_wear/line_4")
    tab_to(page, "main a[href$='/try']")
    page.keyboard.press("Enter")
    page.wait_for_selector("textarea[name=rows]")
    tab_to(page, "textarea[name=rows]")
    page.keyboard.insert_text(ROWS)
    tab_to(page, "main button")
    page.keyboard.press("Enter")
    page.wait_for_selector("[aria-label=Results]")
    seen["pasted"] = shown(page)
    look(page, "results", seen)
    page.select_option("[name=version]", "1")
    page.set_input_files("[name=file]", {"name": "rows.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.click("main button")
    page.wait_for_selector("text=Results of version 1")
    seen["file"] = page.locator("[aria-label=Results] [role=status]").inner_text()
    file = Path(folder) / "dropped.csv"
    file.write_text(rows, encoding="utf-8")
    drop(page, "[name=file]", file)
    seen["dropped"] = page.eval_on_selector("[name=file]", "field => [...field.files].map(each => each.name)")
    page.select_option("[name=version]", "2")
    page.click("main button")
    page.wait_for_selector("text=Results of version 2")
    seen["drop"] = page.locator("[aria-label=Results] [role=status]").inner_text()
    page.fill("textarea[name=rows]", rows)
    page.select_option("[name=version]", "")
    page.click("main button")
    page.wait_for_selector("text=Results of version 3")
    picture(page, folder, "results")
    page.fill("textarea[name=rows]", ROWS.replace("58.1", "warm"))
    fail(page, seen)
    picture(page, folder, "failure")


def drop(page: Page, selector: str, file: Path) -> None:
    """Drag a file of the disk onto a control, as a file manager does: no event of a script can do it."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    page.wait_for_function("selector => document.querySelector(selector).files.length", arg=selector)


def fail(page: Page, seen: dict[str, Any]) -> None:
    """Send rows on which the notebook fails."""
    page.click("main button")
    page.wait_for_selector("[role=alert]")
    seen["marked"] = page.locator("pre.cell .marked").inner_text()


def shown(page: Page) -> list[list[str]]:
    rows = page.locator("[aria-label='Rows of the results'] tbody tr").all()
    return [row.locator("td").all_text_contents() for row in rows]


def hostile(page: Page, url: str, texts: list[str], seen: dict[str, Any]) -> None:
    """Send hostile texts as names of columns, cells and parameters, and look for what became of them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b"], *([str(n), each] for n, each in enumerate(texts))])
    page.goto(f"{url}/ui/models/free_text/notes/try")
    page.set_input_files("[name=file]", {"name": "x.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()})
    page.click("main button")
    page.wait_for_selector("[aria-label=Results]")
    seen["cells"] = [row[1] for row in shown(page)]
    seen["strange"] = page.evaluate(STRANGE)
    heads = io.StringIO()
    csv.writer(heads, lineterminator="\n").writerows([["a", "b", *texts[:36]], ["1"] * 38])
    page.set_input_files("[name=file]", {"name": "x.csv", "mimeType": "text/csv", "buffer": heads.getvalue().encode()})
    page.click("main button")
    page.wait_for_selector("text=1 row in")
    seen["heads"] = page.locator("[aria-label='Rows of the results'] thead th").all_text_contents()[3:]
    seen["strange"] += page.evaluate(STRANGE)
    page.goto(f"{url}/ui/algorithms/free_text")
    seen["parameters"] = page.eval_on_selector_all("input[name^='param.']", "all => all.map(each => each.value)")
    seen["helps"] = page.locator("fieldset:last-of-type small").all_text_contents()
    seen["strange"] += page.evaluate(STRANGE)
    for each in texts[::6]:
        page.goto(f"{url}/ui/algorithms/free_text")
        page.fill("[name=model]", each)
        page.wait_for_selector("#search .problem")
        seen["strange"] += page.evaluate(STRANGE)


def change_a_model(page: Page, url: str, folder: str, seen: dict[str, Any]) -> None:
    """Pin the code of a model's applies, and delete another model; the forms by keyboard."""
    page.goto(f"{url}/ui/models/pump_wear/line_4")
    tab_to(page, "[aria-label='why this code']")
    page.keyboard.type("held for the audit")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=it was pinned")
    page.goto(f"{url}/ui/models/free_text/notes")
    page.click("main a[href$='/delete']")
    look(page, "delete", seen)
    picture(page, folder, "delete")
    page.select_option("[name=version]", "all")
    seen["warning"] = page.locator("main p.warning").inner_text()
    tab_to(page, "[name=reason]")
    page.keyboard.type("a trial")
    for text in ("note", "notes"):
        page.select_option("[name=version]", "all")
        page.fill("[name=confirm]", text)
        page.focus("main form button")
        page.keyboard.press("Enter")
        if text == "note":
            page.wait_for_selector("[role=alert]")
            seen["refusal"] = page.locator("[role=alert]").inner_text()
    page.wait_for_url(f"{url}/ui/models")
    page.goto(f"{url}/ui/history")
    seen["deeds"] = page.locator("main table").first.locator("tbody tr").all_inner_texts()[:2]


def without_script(page: Page, url: str, seen: dict[str, Any]) -> None:
    page.goto(f"{url}/ui/algorithms/pump_wear")
    page.fill("[name=fields]", "hours")
    page.fill("[name=model]", "m")
    page.click("main button")
    seen["plain_search"] = page.locator("#search textarea").input_value()
    page.goto(f"{url}/ui/models/pump_wear/line_4/try")
    page.fill("textarea[name=rows]", ROWS)
    page.click("main button")
    seen["plain_rows"] = len(shown(page))


if __name__ == "__main__":
    main(*sys.argv[1:])
