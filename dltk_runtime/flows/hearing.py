"""Who hears of an app's alerts: an alert without an action is seen under Triggered Alerts alone."""

from __future__ import annotations

from dltk_runtime.flows.app import App
from dltk_runtime.flows.conf import Stanza

UNHEARD = "Without an action they are seen under Triggered Alerts alone: name recipients in flow.yaml."
# Settings of actions that tell somebody, or write to where people look.
_ACTIONS = ("action.email", "action.webhook", "action.notable", "action.risk", "action.script", "action.logevent")


def unheard(app: App) -> list[str]:
    """Return the scheduled alerts of an app that have no action, by name."""
    alerts = (each for each in app.searches if each.scheduled and not each.view and each.stanza.get("counttype"))
    return [each.name for each in alerts if not _acts(each.stanza)]


def _acts(stanza: Stanza) -> bool:
    """Return whether an alert has an action: an e-mail counts with an address alone."""
    if stanza.flag("action.email") and not stanza.get("action.email.to"):
        return False
    named = {name.strip() for name in stanza.get("actions").split(",") if name.strip()}
    return bool(named) or any(map(stanza.flag, _ACTIONS))
