"""Hints at code that may fail although the contract is fulfilled."""

from __future__ import annotations

import re
import time
from pathlib import Path

from dltk_runtime.notebook.review import review
from tests.conftest import MakeNotebook

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

HANDED_OUT = 'is a parameter; read it as param["parameters"]["epochs"]'
ELSEWHERE = "is defined only in cell 2, which is not exported: give it a name in its metadata"
DECLARING = "write NAME: int, float, bool, str or Literal = a literal of it, within its bounds"
NOTEBOOK = """
    # %% tags=parameters
    epochs: int = 3
    mode: str = "x"
    when = now()
    # %%
    scale = 2
    import numpy as np
    # %% mltkc_init
    import pandas as pd
    TABLE = {name: 1 for name in "ab"}
    def init(df, param):
        wanted = param["parameters"]
        return {"epochs": wanted["epoch"], "rate": param["options"]["params"].get("rate"), "t": TABLE}
    # %% mltkc_fit
    def fit(model, df, param):
        helper = lambda x: x * scale
        model["mean"] = np.mean([helper(x) for x in df["x"]])
        return epochs
    # %% mltkc_apply
    def apply(model, df, param):
        return pd.DataFrame({"x": [nowhere] * len(df), "y": param["parameters"]["epochs"]})
"""


def test_a_review_names_each_thing_with_its_cell_and_line(make_notebook: MakeNotebook) -> None:
    found = review(make_notebook("shaky", NOTEBOOK))
    assert found.problems == ()
    assert [re.sub(r": `.*`: ", ": ", hint).removeprefix("shaky.ipynb, ") for hint in found.hints] == [
        f"cell 4 (mltkc_fit), line 2: 'scale' {ELSEWHERE}",
        f"cell 4 (mltkc_fit), line 3: 'np' {ELSEWHERE}",
        f"cell 4 (mltkc_fit), line 4: 'epochs' {HANDED_OUT}",
        "cell 5 (mltkc_apply), line 2: 'nowhere' is defined nowhere in the notebook",
        "cell 3 (mltkc_init), line 5: the parameters cell does not declare 'epoch'. Did you mean 'epochs'?",
        "cell 3 (mltkc_init), line 5: the parameters cell does not declare 'rate'.",
        f"cell 1, line 3: it declares no parameter: {DECLARING}",
        "cell 1, line 2: mode= is the notebook's; only mode=stage and mode=register are the runtime's",
    ]


def test_magics_and_cells_that_do_not_compile_are_problems(make_notebook: MakeNotebook) -> None:
    found = review(make_notebook("magic", fit="%matplotlib inline\ndef fit(model, df, param): ...", apply="def apply("))
    assert "magics are not exported" in found.text
    assert "cell 4 (mltkc_apply), line 1" in found.text


def test_a_healthy_notebook_has_one_line(make_notebook: MakeNotebook) -> None:
    assert review(make_notebook("good")).text == "good.ipynb: no problem"


def test_the_shipped_notebooks_have_no_hints_and_each_review_is_quick() -> None:
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    review(paths[0])
    began = time.process_time()
    found = {path.name: review(path).hints for path in paths}
    assert (time.process_time() - began) / len(paths) < 0.2  # seconds: what a save may take
    assert not any(found.values()), found
