"""The ``fit`` that made a version, as words of a search."""

from __future__ import annotations

from dltk_runtime.names import ModelName
from dltk_runtime.notebook.clause import PLAIN_FIELD, quoted
from dltk_runtime.secret_names import parameters_without_secrets
from dltk_runtime.store.manifest import Facts
from dltk_runtime.texts import unquote


def fit_words(name: ModelName, facts: Facts, command: str = "fit MLTKContainer", **more: str) -> str:
    """Return the ``fit`` that made a version: its parameters and `more`, fields and model; no secrets."""
    features = features_of(facts)
    known = parameters_without_secrets(facts.parameters)
    ours = {key: value for key, value in known.items() if key not in ("algo", "mode")}
    given = {"algo": name.algorithm} | ours | more
    words = [f"{key}={parameter_word(value)}" for key, value in given.items()]
    fields = [*map(word, facts.targets), "from", *map(word, features)] if facts.targets else map(word, features)
    return " ".join([command, *words, *fields, f"into app:{name.model}"])


def features_of(facts: Facts) -> list[str]:
    """Return the names of the fields that the search named, or of all columns but the targets."""
    return facts.fields or [each.name for each in facts.features if each.name not in facts.targets]


def parameter_word(sent: str) -> str:
    """Return a parameter's value, which Splunk sends with the quotes of its search, as one word."""
    return word(unquote(sent))


def word(text: str) -> str:
    """Return a text as one word of a search, with quotes where it needs them.

    A text that no quotes can hold, such as one with double quotes, is shown with these escaped: a
    fit would read the backslashes too.
    """
    try:
        return quoted(text, PLAIN_FIELD)
    except ValueError:
        escaped = text.replace('"', '\\"')
        return f'"{escaped}"'
