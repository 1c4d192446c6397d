"""The functions of the shipped notebooks, called as the worker calls them but in this process."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dltk_runtime.notebook.algorithm import Algorithm
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.parameters import add_parameters, refuse
from dltk_runtime.paths import SITE, Paths

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

Get = Callable[[str], Algorithm]


@contextmanager
def algorithms(home: Path) -> Iterator[Get]:
    """Give a notebook's functions by the finder that workers have; models lie in `home`."""
    paths = Paths(home=home, notebooks=NOTEBOOKS)
    paths.models.mkdir(parents=True)
    finder, made = CodeFinder(paths), dict[str, Algorithm]()

    def get(name: str) -> Algorithm:
        if name not in made:
            with warnings.catch_warnings():
                # Importing a deep learning library: what it finds old in others is not ours to mend.
                warnings.simplefilter("ignore")
                made[name] = Algorithm(name, finder)
        return made[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        for name in ("DLTK_HOME", "DLTK_NOTEBOOKS", "DLTK_CODE"):
            patch.setenv(name, "")
        finder.install()
        yield get
        finder.remove()
    for name in [name for name in sys.modules if name == "app" or name.startswith("app.")]:
        del sys.modules[name]


def asked(target: str | None, features: list[str], **params: str) -> dict[str, Any]:
    """The `param` of a search, with a target on fit and without one on apply."""
    param: dict[str, Any] = {"options": {"params": {"algo": "any", **params}}, "feature_variables": features}
    return param | ({"target_variables": [target]} if target else {})


def handed(notebook: Algorithm, param: dict[str, Any]) -> dict[str, Any]:
    refuse("it", add_parameters(param, notebook.parameters).all, notebook.parameters)
    return param


def fitted(notebook: Algorithm, df: pd.DataFrame, param: dict[str, Any]) -> Any:
    model = notebook.init(df, handed(notebook, param))
    notebook.fit(model, df, param)
    return model


def applied(notebook: Algorithm, model: Any, df: pd.DataFrame, **params: str) -> pd.DataFrame:
    return notebook.apply(model, df, handed(notebook, asked(None, list(df.columns), **params)))
