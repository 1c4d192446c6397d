"""Store a plot in the model (for ``summary``) and as a file (for ``<img>`` in dashboards)."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dltk_runtime.errors import shown
from dltk_runtime.files import atomic
from dltk_runtime.settings import worker_paths

from .errors import PictureInvalid

MAX_KEY_CHARACTERS = 128  # leaves room for suffixes in the 255 bytes of a file name
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]*", re.ASCII)


def SplunkGenerateGraphicsObjects(
    model: MutableMapping[str, Any], key: str, plot: Any, graphics_path: str = "/srv/app/graphics/"
) -> MutableMapping[str, Any]:
    """Store `plot` as ``<key>.png`` in `graphics_path` and in ``model["graphics"][key]``.

    Args:
        model: the notebook's model, a dict.
        key: the picture's name; a picture with the same key is replaced.
        plot: a matplotlib figure or Axes, ``matplotlib.pyplot`` itself, or a seaborn grid.
        graphics_path: a folder. Outside the image, a path below ``/srv`` is mapped by
            `Paths.rebase`; in a fit, pictures are shown when its version is promoted.

    Returns:
        `model`, with ``base64`` (the PNG file as base64 **bytes**: dashboards search ``b'…'`` in
        the text of the model), ``container_local_path`` and ``external_relative_path`` (served by
        ``GET /graphics/…``).

    Raises:
        PictureInvalid: `model` is not a dict, `key` is not a valid file name, or `plot` cannot be
            drawn.
    """
    if not isinstance(model, MutableMapping):
        raise PictureInvalid(
            f"The model is a {type(model).__name__} and cannot store pictures. "
            'Return a dict from init, for example {"net": net}, and pass that dict.'
        )
    paths, name = worker_paths(), f"{_checked(key)}.png"
    path = Path(paths.rebase(graphics_path)) / name
    shown_at = Path(replace(paths, pictures=None).rebase(graphics_path)) / name  # once its version is promoted
    picture = _png(plot)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, picture, durable=False)
    model.setdefault("graphics", {})[key] = {
        "base64": base64.b64encode(picture),
        "container_local_path": str(shown_at),
        "external_relative_path": f"graphics/{key}.png",
    }
    return model


def _checked(key: str) -> str:
    if len(key) > MAX_KEY_CHARACTERS or not _KEY.fullmatch(key):
        raise PictureInvalid(
            f"Invalid name of a picture {shown(key)}: it starts with a letter, digit or underscore, followed by "
            f"these, blanks, dots and hyphens, and has at most {MAX_KEY_CHARACTERS} characters."
        )
    return key


def _png(plot: Any) -> bytes:
    """Draw `plot`, or the figure it belongs to, as a PNG file."""
    drawable: Any = plot if hasattr(plot, "savefig") else getattr(plot, "figure", None)
    if not hasattr(drawable, "savefig"):
        raise PictureInvalid(
            f"A {type(plot).__name__} is not a plot: it has neither savefig nor a figure. "
            "Pass a matplotlib figure or Axes, matplotlib.pyplot or a seaborn grid."
        )
    buffer = io.BytesIO()
    drawable.savefig(buffer, format="png")
    return buffer.getvalue()
