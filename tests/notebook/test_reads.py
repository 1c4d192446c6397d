"""Which of the runtime's words belong to a notebook: those that it declares or reads."""

from __future__ import annotations

import pytest

from dltk_runtime.notebook.reads import taken
from dltk_runtime.notebook.source import read_source
from tests.conftest import MakeNotebook


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("# %% tags=parameters\nholdout: int = 24\nmode = 'x'\n# %% mltkc_init\na = 1\n", {"holdout", "mode"}),
        ("# %%\ndef init(df, param):\n    return param['options']['params'].get('mode', 'train')\n", {"mode"}),
        ("# %%\ndef f(p):\n    q = p['options']['params']\n    q['holdout'], q.pop('mode')\n", {"holdout", "mode"}),
        ("# %%\ndef init(df, param):\n    return param['options']['params']['algo']\n", set()),
        ("# %%\nmode = 3\n", set()),
        ("# %%\ndef init(df, param):\n    return read(param, 'holdout', 24)\n", {"holdout"}),
        ("# %%\ndef fit(model, df, meta):\n    return helper.read(meta, 'mode')\n", {"mode"}),
        (
            "# %%\ndef f(p, name):\n    return p['options']['params'][name]\ndef g(x):\n    return f(x, 'mode')\n",
            {"mode"},
        ),
        ("# %%\ndef f(p):\n    q = p['options']['params']\n    return 'mode' in q\n", {"mode"}),
        ("# %%\nOWN = {'holdout': 24}\ndef f(p):\n    return {**OWN, **p['options']['params']}\n", {"holdout"}),
        ("# %%\ndef f(p):\n    for k, v in p['options']['params'].items():\n        if k == 'mode': g()\n", {"mode"}),
        ("# %%\ndef f(p):\n    q = p['options']['params']\n    return q.get('depth'), g('mode')\n", set()),
        ("# %%\ndef init(df, param):\n    return param['feature_variables'], {'mode': 1}\n", set()),
    ],
)
def test_a_notebook_that_declares_or_reads_a_word_of_the_runtime_has_it(
    make_notebook: MakeNotebook, text: str, own: set[str]
) -> None:
    given = {"algo": "x", "mode": "production", "holdout": "24", "other": "1"}
    assert taken(read_source(make_notebook("words", text)), given) == own
    assert taken(read_source(make_notebook("words", text)), {"algo": "x"}) == set()
