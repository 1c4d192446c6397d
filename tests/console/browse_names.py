"""Names of controls, as a screen reader hears them: from the tree that Chromium makes; runs in .venv-browser."""

from __future__ import annotations

from playwright.sync_api import Page

# Of what can be operated.
ROLES = frozenset(
    {"button", "checkbox", "combobox", "DisclosureTriangle", "link", "listbox", "menuitem"}
    | {"radio", "searchbox", "slider", "spinbutton", "switch", "tab", "textbox"}
)


def nameless(page: Page) -> list[str]:
    """Return the HTML of each control in the accessibility tree that has no name."""
    session = page.context.new_cdp_session(page)
    try:
        session.send("DOM.getDocument", {"depth": 0})
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        found = [
            node["backendDOMNodeId"]
            for node in nodes
            if not node.get("ignored")
            and node.get("role", {}).get("value") in ROLES
            and not str(node.get("name", {}).get("value", "")).strip()
        ]
        return [str(session.send("DOM.getOuterHTML", {"backendNodeId": each})["outerHTML"]) for each in found]
    finally:
        session.detach()
