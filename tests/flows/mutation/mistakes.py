"""All kinds of mistakes, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.flows.mutation import searches, settings
from tests.flows.mutation.edits import Mistake, Texts

KINDS: Mapping[str, Callable[[Texts], Iterator[Mistake]]] = {
    "dropped command": searches.dropped_command,
    "swapped commands": searches.swapped_commands,
    "misspelt field": searches.misspelt_field,
    "misspelt value": searches.misspelt_value,
    "wrong source": searches.wrong_source,
    "wrong model": searches.wrong_model,
    "other features": searches.other_features,
    "prepared otherwise": searches.prepared_otherwise,
    "shifted window": settings.shifted_window,
    "shifted span": searches.shifted_span,
    "shifted schedule": settings.shifted_schedule,
    "wrong setting": settings.wrong_setting,
    "dropped right": settings.dropped_right,
    "wrong promotion": searches.wrong_promotion,
    "wrong lookup": settings.wrong_lookup,
    "turned condition": searches.turned_condition,
    "wrong token": settings.wrong_token,
    "misspelt macro": searches.misspelt_macro,
    "wrong index": settings.wrong_index,
}
