"""Colours that are hard to see in one of the two themes of a dashboard.

A dashboard without a theme is shown in the one of its reader. The least contrast is that of WCAG
2.1, 1.4.11 for what is not running text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dltk_runtime.flows.studio.definition import section

# The page behind a dashboard, of Splunk's two themes.
BACKGROUNDS: Mapping[str, str] = {"light": "#ffffff", "dark": "#0b0c0e"}
MIN_CONTRAST = 3.0
_HEX = re.compile(r"^#[0-9a-fA-F]{6}$")


def unseen(found: Mapping[str, Any], theme: str) -> Iterator[str]:
    """Yield the colours of text and marks that are hard to see; `theme` is "" where both are possible."""
    themes = [theme] if theme in BACKGROUNDS else list(BACKGROUNDS)
    for name, panel in section(found, "visualizations").items():
        options = section(panel, "options")
        if "backgroundColor" in options:
            continue  # what lies behind is not the page
        named = [value for option, value in options.items() if option.endswith("Color")]
        for colour in dict.fromkeys([*named, *_colours(section(panel, "context"))]):
            for each in themes if _HEX.fullmatch(str(colour)) else ():
                seen = contrast(str(colour), BACKGROUNDS[each])
                if seen < MIN_CONTRAST:
                    yield f"{name}: {colour} has a contrast of {seen:.1f} in the {each} theme"


def contrast(one: str, other: str) -> float:
    """Return the ratio of the luminances of two colours ``#rrggbb``, from 1 to 21, as WCAG defines it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _colours(document: object) -> Iterator[str]:
    """Yield every text below a context."""
    if isinstance(document, dict):
        for value in document.values():
            yield from _colours(value)
    elif isinstance(document, list):
        for value in document:
            yield from _colours(value)
    elif isinstance(document, str):
        yield document
