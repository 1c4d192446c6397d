"""Who hears of an app's alerts: an alert without an action is seen under Triggered Alerts alone."""

from __future__ import annotations

from dltk_runtime.flows.app import App
from dltk_runtime.flows.conf import Stanza

UNHEARD = "Without an action they are seen under Triggered Alerts alone: name recipients in flow.yaml."
_EMAIL = "email"
_ADDRESSES = ("action.email.to", "action.email.cc", "action.email.bcc")
# Actions that keep rows for other searches, and tell nobody.
_SILENT = frozenset(("summary_index", "populate_lookup", "lookup"))


def is_alert(stanza: Stanza) -> bool:
    """Return whether a search is an alert: REST gives ``counttype`` of savedsearches.conf as ``alert_type``."""
    return bool(stanza.get("counttype")) or stanza.get("alert_type") not in {"", "always"}


def unheard(app: App) -> list[str]:
    """Return the scheduled alerts of an app that have no action that tells somebody, by name."""
    return [each.name for each in app.searches if each.scheduled and is_alert(each.stanza) and not _acts(each.stanza)]


def _acts(stanza: Stanza) -> bool:
    """Return whether an alert has an action: an e-mail counts with an address alone."""
    named = {name.strip() for name in stanza.get("actions").split(",") if name.strip()}
    named |= {key.removeprefix("action.") for key in stanza.settings if _is_switch(key) and stanza.flag(key)}
    return bool(named - _SILENT - (frozenset() if any(map(stanza.get, _ADDRESSES)) else {_EMAIL}))


def _is_switch(key: str) -> bool:
    """Return whether a setting switches an action on: ``action.email``, unlike ``action.email.to``."""
    return key.startswith("action.") and key.count(".") == 1
