"""The drawn tree of errors is the real one."""

from __future__ import annotations

import inspect
import re

from dltk_runtime import errors


def test_the_drawn_tree_has_every_class_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    parents: list[str] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        if found := re.match(r" {4}([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else "Exception"
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.DltkError) and kind.__module__ == errors.__name__
    }
    assert drawn == real
