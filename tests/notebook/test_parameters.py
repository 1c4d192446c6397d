"""Parameters: declared in a notebook, converted from a search's texts, refused if invalid."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.notebook.declaration import Parameter, declared, undeclared
from dltk_runtime.notebook.errors import ParametersInvalid
from dltk_runtime.notebook.parameters import RUNTIME_MODES, Problems, add_parameters, parameters, refuse, values
from dltk_runtime.notebook.source import pack, read_source, unpack
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service

CELL = dedent(
    """
    from typing import Literal

    epochs: int = 100  # passes over the data
    rate: float = 1  # size of a step
    shuffle = True
    structure: str = "2-2"  # widths # of layers
    optimizer: Literal["adam", "sgd"] = "adam"
    depth: int | None = None
    """
)
KNOWN = declared(CELL)
DEFAULTS = {"epochs": 100, "rate": 1.0, "shuffle": True, "structure": "2-2", "optimizer": "adam", "depth": None}


# Declared


def test_a_cell_declares_names_types_defaults_and_help() -> None:
    assert KNOWN[0] == Parameter("epochs", "int", 100, "passes over the data", (), 4)
    assert [(each.name, each.kind) for each in KNOWN[1:]] == [
        ("rate", "float"),
        ("shuffle", "bool"),
        ("structure", "str"),
        ("optimizer", "str"),
        ("depth", "int"),
    ]
    assert KNOWN[3].help == "widths # of layers"
    assert KNOWN[4].choices == ("adam", "sgd")
    assert str(KNOWN[4]) == "optimizer: Literal['adam', 'sgd'] = 'adam'"
    assert str(KNOWN[5]) == "depth: int | None = None"


def test_a_number_may_have_bounds_by_the_words_of_several_libraries() -> None:
    known = declared(
        "epochs: Annotated[int, Meta(ge=1, le=500)] = 100  # passes\n"
        "rate: Annotated[float, 'size', Field(gt=0, lt=1.5)] = 0.1\n"
        "depth: Annotated[int, Interval(ge=2)] | None = None\n"
        "name: Annotated[str, Meta(ge=1)] = 'a'\n"
        "wide: Annotated[int, Meta(le=10)] = 11\n"
        "odd: Annotated[int, Meta(ge=exit(), le=True, gt={[]}, lt='9'), Meta] = 1\n"
        f"seed: Annotated[int, Meta(ge=1{'0' * 400}, le=2147483647, gt=-0.12345678)] = 7\n"
    )
    assert [(each.name, str(each.bounds)) for each in known] == [
        ("epochs", "at least 1, at most 500"),
        ("rate", "more than 0, less than 1.5"),
        ("depth", "at least 2"),
        ("name", ""),
        ("odd", ""),
        ("seed", "more than -0.12345678, at most 2147483647"),
    ], "a default out of its bounds declares nothing"
    assert str(known[0]) == "epochs: Annotated[int, Meta(ge=1, le=500)] = 100"
    given = {"epochs": "500", "rate": "1.5", "depth": "1"}
    found, problems = values(given, known)
    assert (found["epochs"], found["rate"], found["depth"]) == (500, 0.1, None)
    assert [each.partition(" (")[0] for each in problems.invalid] == [
        "Invalid rate='1.5': expected a number more than 0, less than 1.5",
        "Invalid depth='1': expected an integer at least 2",
    ]


def test_what_is_no_literal_is_never_run_and_declares_nothing() -> None:
    text = "when = exit()\nx: list = [1]\ny: int = 'a'\nprint('hello')\nz = 1\n"
    assert [each.name for each in declared(text)] == ["z"]
    assert [line for line, _ in undeclared(text)] == [1, 2, 3]


# Coerced


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "5", 5),
        ("epochs", '"5"', 5),
        ("epochs", "1e3", 1000),
        ("epochs", "10.0", 10),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2.0),
        ("shuffle", "f", False),
        ("shuffle", '"True"', True),
        ("shuffle", "1", True),
        ("shuffle", "0", False),
        ("structure", '"8-4"', "8-4"),
        ("structure", "8-4", "8-4"),
        ("structure", "'8-4'", "8-4"),
        ("structure", '""', ""),
        ("structure", "\"{'C': [1]}\"", "{'C': [1]}"),
        ("optimizer", '"sgd"', "sgd"),
        ("depth", "3", 3),
    ],
)
def test_a_searchs_text_becomes_a_value_of_the_declared_type(name: str, text: str, value: Any) -> None:
    result, problems = values({"algo": "umap", "mode": "stage", name: text}, KNOWN)
    assert problems.all == ()
    assert result == DEFAULTS | {name: value}
    assert type(result[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("epochs", "ten", "an integer (epochs: int = 100)"),
        ("epochs", "1.5", "an integer"),
        ("epochs", "", "an integer"),
        ("rate", "nan", "a number"),
        ("rate", "fast", "a number"),
        ("shuffle", "maybe", "true or false"),
        ("optimizer", "adm", "one of adam, sgd"),
        ("depth", "None", "an integer (depth: int | None = None)"),
    ],
)
def test_an_ill_typed_value_is_named_with_what_is_wanted(name: str, text: str, wanted: str) -> None:
    result, problems = values({name: text}, KNOWN)
    (problem,) = problems.invalid
    assert (result, problems.unknown) == (DEFAULTS, ())
    assert f"Invalid {name}='{text}': expected {wanted}" in problem


@pytest.mark.parametrize("given", [{"epoch": "5"}, {"nothing_like_it": "5"}, {"rate": "x"}])
def test_each_sentence_of_a_refusal_ends_once(given: dict[str, Any]) -> None:
    with pytest.raises(ParametersInvalid, match=r"[^.?][.?] umap declares: "):
        refuse("umap", values(given, KNOWN)[1].all, KNOWN)


def test_two_unknown_parameters_are_two_sentences_of_one_list() -> None:
    problems = values({"colour": "red", "epoch": "5", "weight": "1"}, KNOWN)[1].all
    with pytest.raises(ParametersInvalid) as refused:
        refuse("umap", problems, KNOWN)
    assert refused.value.sentence.startswith(
        "the notebook declares no parameter 'colour'; the notebook declares no parameter 'epoch'. "
        "Did you mean 'epochs'?; the notebook declares no parameter 'weight'. umap declares: "
    )


def test_an_unknown_parameter_and_an_ill_typed_one_are_told_apart() -> None:
    _, problems = values({"epoch": "5", "rate": "x"}, KNOWN)
    assert problems.unknown == ("the notebook declares no parameter 'epoch'. Did you mean 'epochs'?",)
    assert len(problems.invalid) == 1


@pytest.mark.parametrize("mode", RUNTIME_MODES)
def test_the_mode_of_a_fit_that_an_apply_repeats_is_not_the_notebooks(mode: str) -> None:
    assert values({"mode": f'"{mode}"'}, declared("mode: int = 3")) == ({"mode": 3}, Problems())


def test_an_unknown_parameter_is_refused_with_the_nearest_and_all_that_are_declared() -> None:
    with pytest.raises(ParametersInvalid) as caught:
        refuse("umap", values({"epoch": "5", "rate": "x"}, KNOWN)[1].all, KNOWN)
    assert "no parameter 'epoch'. Did you mean 'epochs'?;" in caught.value.sentence
    assert "Invalid rate='x': expected a number" in caught.value.sentence
    assert "umap declares: epochs: int = 100; rate: float = 1.0; shuffle: bool = True" in caught.value.sentence


@given(st.dictionaries(st.sampled_from([*DEFAULTS, "algo", "other"]), st.text() | st.integers() | st.none()))
def test_whatever_a_search_says_each_value_is_of_its_type_or_named(given: dict[str, Any]) -> None:
    result, problems = values(given, KNOWN)
    assert result.keys() == DEFAULTS.keys()
    for parameter in KNOWN:
        assert result[parameter.name] is None or type(result[parameter.name]).__name__ == parameter.kind
    assert len(problems.all) <= len(given)


def test_without_declaration_param_stays_as_it_came() -> None:
    meta = {"options": {"params": {"any": "thing"}}}
    assert add_parameters(meta, None) == Problems()
    assert meta == {"options": {"params": {"any": "thing"}}}


# In a notebook that runs by hand


def test_by_hand_the_values_are_those_of_the_namespace() -> None:
    history = ["", "%matplotlib inline", CELL, "# Parameters\nepochs = 7\n", "x = 1\nf()", "SEED = 3"]
    namespace = {**DEFAULTS, "In": history, "epochs": 7, "structure": "8", "SEED": 3}
    assert parameters(namespace) == DEFAULTS | {"epochs": 7, "structure": "8"}
    edited = [*history, "epochs: int = 3\nnew: str = 'a'"]
    assert parameters(namespace | {"In": edited, "new": "b"}) == {"epochs": 7, "new": "b"}
    with pytest.raises(ParametersInvalid, match="Invalid epochs='x': expected an integer"):
        parameters(namespace | {"epochs": "x"})


# In the service

DECLARING = """
    # %% tags=parameters
    epochs: int = 100  # passes
    structure: str = "2-2"
    # %% mltkc_init
    import json
    import pandas as pd
    MODEL_DIRECTORY = "/srv/app/model/data/"
    def init(df, param):
        return dict(param["parameters"])
    # %% mltkc_fit
    def fit(model, df, param):
        return {"metrics": {"epochs": param["parameters"]["epochs"]}}
    # %% mltkc_apply
    def apply(model, df, param):
        asked = repr(param["parameters"]["epochs"])
        return pd.DataFrame({"fitted": [model["structure"]] * len(df), "asked": [asked] * len(df)})
    # %% mltkc_save
    def save(model, name):
        with open(MODEL_DIRECTORY + name + ".json", "w") as file:
            json.dump(model, file)
    # %% mltkc_load
    def load(name):
        with open(MODEL_DIRECTORY + name + ".json") as file:
            return json.load(file)
"""


def meta(**params: str) -> dict[str, Any]:
    return {"options": {"params": {"algo": "typed", **params}, "model_name": "m"}, "feature_variables": ["x"]}


@pytest.mark.process
def test_the_service_hands_out_typed_parameters_refuses_invalid_ones_at_fit_and_warns_otherwise(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("typed", DECLARING)
    with Service(home=paths.home, notebooks=paths.notebooks) as service:
        fitted = service.post("/fit", data="x\n1\n", meta=meta(epochs="7", structure='"8-4"'))
        assert (fitted["status"], fitted["results"]) == ("success", "fitted,asked\n8-4,7\n")
        refused = service.post("/fit", data="x\n1\n", meta=meta(epochs="many", structure="1"))
        assert refused["status"] == "error"
        assert refused["message"].startswith("/fit: ERROR: unable to initialize module")
        assert "Invalid epochs='many': expected an integer" in refused["message"]
        assert "typed.ipynb, cell 1, line 1" in refused["message"]
        warned = service.post("/fit", data="x\n1\n", meta=meta(epoch="7", mode="production", structure="8-4"))
        assert (warned["status"], warned["results"]) == ("success", "fitted,asked\n8-4,100\n")
        assert "WARNING: the notebook declares no parameter 'epoch'. Did you mean 'epochs'?" in warned["message"]
        assert "WARNING: mode='production' is unknown and ignored" in warned["message"]
        applied = service.post("/apply", data="x\n1\n", meta=meta(epochs="many"))
        assert (applied["status"], applied["results"]) == ("success", "fitted,asked\n8-4,100\n")
        assert applied["message"].startswith("/apply done successfully. WARNING: ")
        assert "Invalid epochs='many': expected an integer" in applied["message"]


OWN = """
    # %% tags=parameters
    holdout: int = 24  # rows
    # %% mltkc_init
    import pandas as pd
    def init(df, param):
        return {"mode": param["options"]["params"].get("mode"), "holdout": param["parameters"]["holdout"]}
    def fit(model, df, param): ...
    def apply(model, df, param):
        return pd.DataFrame([model] * len(df))
"""


@pytest.mark.process
def test_words_of_the_runtime_yield_to_a_notebooks_own_except_staging(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("typed", OWN)
    with Service(home=paths.home, notebooks=paths.notebooks, DLTK_REFUSE_UNKNOWN="true") as service:
        fitted = service.post("/fit", data="x\n1\n", meta=meta(mode="production", holdout="5"))
        assert (fitted["status"], fitted["results"]) == ("success", "mode,holdout\nproduction,5\n"), fitted
        assert "WARNING" not in fitted["message"]
        assert service.post("/fit", data="x\n1\n", meta=meta(mode="stage"))["status"] == "staged"
        refused = service.post("/fit", data="x\n1\n", meta=meta(holdot="5"))
        assert "declares no parameter 'holdot'. Did you mean 'holdout'? " in refused["message"]


@pytest.mark.process
def test_the_declaration_is_kept_with_the_code_of_a_version(make_notebook: MakeNotebook) -> None:
    source = read_source(make_notebook("typed", DECLARING))
    (kept,) = unpack(pack([source]))
    assert kept.parameters == source.parameters
    assert kept.parameters is not None
    assert kept.parameters.number == 1
