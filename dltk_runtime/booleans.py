"""Read booleans as text: one function per dialect.

============  ================================  =============================  ==================
function      read from                         accepted, in any case          other text
============  ================================  =============================  ==================
parse         our settings, a search's          true t yes y 1                 ValueError
              ``key=value`` parameters          false f no n 0
parse_spl     options of SPL commands           true t 1, false f 0            ValueError
parse_conf    Splunk's ``.conf`` files and      as `parse`, and                the given default
              REST endpoints                    on enabled, off disabled
============  ================================  =============================  ==================
"""

from __future__ import annotations

_SPL_TRUE, _SPL_FALSE = frozenset({"true", "t", "1"}), frozenset({"false", "f", "0"})
_TRUE, _FALSE = _SPL_TRUE | {"yes", "y"}, _SPL_FALSE | {"no", "n"}
_CONF_TRUE, _CONF_FALSE = _TRUE | {"on", "enabled"}, _FALSE | {"off", "disabled"}


def parse(text: str) -> bool:
    """Read a boolean of a setting of this runtime, or of a search's parameter.

    Raises:
        ValueError: `text` is in neither list.
    """
    return _strict(text, _TRUE, _FALSE)


def parse_spl(text: str) -> bool:
    """Read a boolean option of an SPL command.

    Raises:
        ValueError: `text` is in neither list.
    """
    return _strict(text, _SPL_TRUE, _SPL_FALSE)


def parse_conf(value: object, *, default: bool = False) -> bool:
    """Read a boolean of a ``.conf`` file or a REST reply (text, number or JSON boolean).

    Return `default` for any other value.
    """
    text = str(value).strip().lower()
    return text in _CONF_TRUE or (default and text not in _CONF_FALSE)


def _strict(text: str, true: frozenset[str], false: frozenset[str]) -> bool:
    word = text.strip().lower()
    if word not in true | false:
        raise ValueError(text)
    return word in true
