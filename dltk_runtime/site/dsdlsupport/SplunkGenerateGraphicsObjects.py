"""Keeps a plot with the model (for ``summary``) and as a file (for ``<img>`` in dashboards)."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from dltk_runtime.errors import shown
from dltk_runtime.files import atomic
from dltk_runtime.settings import worker_paths
from dltk_runtime.site.dsdlsupport.errors import PictureInvalid

LONGEST_KEY = 128  # characters; leaves room for the suffixes in the 255 bytes of a file's name
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]*", re.ASCII)


def SplunkGenerateGraphicsObjects(
    model: MutableMapping[str, Any], key: str, plot: Any, graphics_path: str = "/srv/app/graphics/"
) -> MutableMapping[str, Any]:
    """Store `plot` as ``<key>.png`` in `graphics_path` and describe it in ``model["graphics"][key]``.

    Args:
        model: the notebook's model, a dict.
        key: the picture's name; the same key replaces the picture of before.
        plot: a matplotlib figure or Axes, ``matplotlib.pyplot`` itself, or a seaborn grid.
        graphics_path: a folder. A path below ``/srv`` lies outside the image where `Paths.rebase` says.

    Returns:
        `model`, with ``base64`` (the PNG file as base64 **bytes**: dashboards look for ``b'…'`` in the text of
        the model), ``container_local_path`` and ``external_relative_path`` (what ``GET /graphics/…`` serves).

    Raises:
        PictureInvalid: when `model` can hold no picture, `key` can name no file or `plot` cannot be drawn.
    """
    if not isinstance(model, MutableMapping):
        raise PictureInvalid(
            f"The model is a {type(model).__name__} and cannot hold pictures. "
            'Let init return a dict, for example {"net": net}, and pass that dict.'
        )
    path = Path(worker_paths().rebase(graphics_path)) / f"{_checked(key)}.png"
    picture = _png(plot)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, picture, durable=False)
    model.setdefault("graphics", {})[key] = {
        "base64": base64.b64encode(picture),
        "container_local_path": str(path),
        "external_relative_path": f"graphics/{key}.png",
    }
    return model


def _checked(key: str) -> str:
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise PictureInvalid(
            f"{shown(key)} cannot be a picture's name: it begins with a letter, digit or underscore, goes on with "
            f"these, blanks, dots and hyphens, and has at most {LONGEST_KEY} characters."
        )
    return key


def _png(plot: Any) -> bytes:
    """`plot`, or the figure it belongs to, drawn as a PNG file."""
    drawable: Any = plot if hasattr(plot, "savefig") else getattr(plot, "figure", None)
    if not hasattr(drawable, "savefig"):
        raise PictureInvalid(
            f"A {type(plot).__name__} is no plot: it has neither savefig nor a figure. "
            "Pass a matplotlib figure or Axes, matplotlib.pyplot or a seaborn grid."
        )
    buffer = io.BytesIO()
    drawable.savefig(buffer, format="png")
    return buffer.getvalue()
