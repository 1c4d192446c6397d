"""From a frame to the request, compared with recorded requests of Splunk."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.mltk import request
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand, parse_fit
from dltk_runtime.emulator.mltk.stub import Stub

SAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "meta_samples.json").read_text())
# One sample is of MLTK under Python 2, whose dictionaries had no order, and carries what later versions left out.
OLD = [number for number, sample in enumerate(SAMPLES) if "search_info" in sample["options"]]


def typed(options: dict[str, Any]) -> str:
    """Rebuild the search from its options, in order of first appearance."""
    after_from = list(options).index("feature_variables") < list(options).index("args")
    target, features = options.get("target_variable", []), options["feature_variables"]
    words = {
        "params": [f"{key}={value}" for key, value in options.get("params", {}).items()],
        "args": [*target, "from", *features] if target else [] if after_from else features,
        "feature_variables": ["from", *features] if after_from and not target else [],
        "model_name": ["into", f"app:{options.get('model_name')}"],
        "output_name": ["as", str(options.get("output_name"))],
        "split_by": ["by", *options.get("split_by", [])],
    }
    return " ".join([options["algo_name"], *(word for key in options for word in words.get(key, []))])


def columns_of(sample: dict[str, Any]) -> list[str]:
    """Columns of a frame: those of the request, and one that no glob matches."""
    sent = [*sample["feature_variables"], *sample.get("target_variables", [])]
    return [*sent, *(f"__mv_{name}" for name in sent)]


@pytest.mark.parametrize("number", [number for number in range(len(SAMPLES)) if number not in OLD])
def test_the_meta_is_the_one_that_a_real_splunk_sent(number: int) -> None:
    sample = SAMPLES[number]
    meta = request.fit_meta(parse_fit(typed(sample["options"])), columns_of(sample), sample["options"]["mlspl_limits"])
    assert json.dumps(meta["options"]) == json.dumps(sample["options"]), "order counts as well"
    assert meta == sample


@pytest.mark.parametrize("number", OLD)
def test_the_meta_of_an_old_splunk_is_the_same_but_for_its_order_and_session(number: int) -> None:
    sample = json.loads(json.dumps(SAMPLES[number]))
    del sample["options"]["search_info"]
    meta = request.fit_meta(parse_fit(typed(sample["options"])), columns_of(sample), sample["options"]["mlspl_limits"])
    assert meta == sample


# Beside larger numbers pandas may read an empty cell as text, not as missing.
WHOLE = st.integers(-(2**63), 2**63 - 1)


class TestExpand:
    def test_a_glob_gives_columns_in_column_order_without_multivalue_helpers(self) -> None:
        assert request.expand_globs(["a", "f_*"], ["f_2", "__mv_f_2", "f_1", "a", "f_"]) == ["a", "f_2", "f_1", "f_"]
        assert request.expand_globs(["*"], ["b", "__mv_b", "a"]) == ["b", "a"]

    def test_a_glob_that_matches_nothing_stays(self) -> None:
        assert request.expand_globs(["x*"], ["a"]) == ["x*"]

    def test_only_the_star_is_special(self) -> None:
        assert request.expand_globs(["a.[b]*?"], ["axb1?", "a.[b]1?", "a.[b]1!"]) == ["a.[b]1?"]

    def test_the_target_is_no_feature_even_when_a_glob_matches_it(self) -> None:
        meta = request.fit_meta(parse_fit("MLTKContainer y from *"), ["x", "y", "z"])
        assert meta["feature_variables"] == ["x", "z"]
        assert meta["target_variables"] == ["y"]
        assert meta["options"]["feature_variables"] == ["*"]


class TestInfer:
    def test_every_column_goes_through_pandas_identifiers_too(self) -> None:
        frame = pd.DataFrame({"id": ["007", "1e3"], "flag": ["True", "False"], "n": ["NA", "null"], "t": ["a", "+5"]})
        inferred = request.infer(frame)
        assert inferred["id"].tolist() == [7.0, 1000.0]
        assert inferred["flag"].dtype == bool
        assert inferred["n"].isna().all()
        assert inferred["t"].tolist() == ["a", "+5"]
        assert request.infer(pd.DataFrame({"id": ["007"]}))["id"].tolist() == [7]

    def test_a_frame_without_columns_keeps_its_rows(self) -> None:
        assert len(request.infer(pd.DataFrame(index=range(3)))) == 3

    @settings(deadline=None)
    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "a": st.none() | WHOLE | st.sampled_from(["007", "1e3", "NA", "True", "x"]),
                    "b": st.none() | st.floats(allow_nan=False),
                    "c": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6),
                }
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_what_is_sent_reads_as_what_the_search_has(self, rows: list[dict[str, Any]]) -> None:
        frame = request.infer(pd.DataFrame(rows))
        data, _ = request.select(frame, ["c", "a", "b"])
        body = json.loads(json.dumps(request.body(data, {})))
        if len(data.columns) and len(data):
            received = pd.read_csv(io.StringIO(body["data"]))
            pd.testing.assert_frame_equal(received, request.infer(data))
            assert not received.isna().any(axis=None)
        assert list(data.columns) == [name for name in frame.columns if frame[name].notna().any()]


class TestSelect:
    FRAME = pd.DataFrame({"z": [1, 2, 3], "a": ["x", None, "y"], "empty": [None] * 3, "other": [None, 1, 2]})

    def test_columns_stand_in_frame_order_and_rows_with_nulls_are_dropped(self) -> None:
        data, messages = request.select(self.FRAME, ["a", "z"])
        assert data.to_csv(index=False) == "z,a\n1,x\n3,y\n"
        assert messages == []

    def test_an_empty_column_is_dropped_with_a_warning_before_the_rows(self) -> None:
        data, (message,) = request.select(self.FRAME, ["z", "empty"])
        assert data.to_csv(index=False) == "z\n1\n2\n3\n"
        assert message.level == "WARN"
        assert "empty" in message.text

    def test_a_missing_field_is_a_warning(self) -> None:
        _, (message,) = request.select(self.FRAME, ["z", "nope", "x*"])
        assert str(message) == "WARN Missing field(s): nope, x*"

    def test_an_empty_selection_is_a_lone_newline(self) -> None:
        data, _ = request.select(self.FRAME, ["nope"])
        assert request.body(data, {})["data"] == "\n"

    def test_multivalue_fields_stay_one_quoted_cell(self) -> None:
        data, _ = request.select(pd.DataFrame({"mv": ["a\nb"]}), ["mv"])
        assert request.body(data, {})["data"] == 'mv\n"a\nb"\n'


class TestSample:
    FIT = parse_fit("MLTKContainer algo=a x sample_seed=1")

    def test_more_rows_than_max_inputs_are_sampled_with_a_warning(self) -> None:
        frame = pd.DataFrame({"x": range(100)})
        rows, (message,) = request.draw_sample(frame, self.FIT, request.LIMITS | {"max_inputs": "10"})
        assert len(rows) == 10
        assert rows["x"].is_monotonic_increasing
        assert str(message).startswith("WARN Input event count exceeds max_inputs for MLTKContainer (10)")

    def test_a_seed_draws_the_same_sample_again(self) -> None:
        frame, limits = pd.DataFrame({"x": range(100)}), request.LIMITS | {"max_inputs": "10"}
        first, _ = request.draw_sample(frame, self.FIT, limits)
        again, _ = request.draw_sample(frame, self.FIT, limits)
        assert first.equals(again)

    def test_sample_count_asks_for_fewer(self) -> None:
        rows, _ = request.draw_sample(pd.DataFrame({"x": range(9)}), FitCommand("MLTKContainer", {}, sample_count=4))
        assert len(rows) == 4


class TestApplyMeta:
    STUB = Stub("m", "MLTKContainer", {"params": {"algo": "a", "mode": "stage"}, "model_name": "m"}, ("x", "y"), "z")

    def test_the_options_are_those_of_the_fit_and_there_is_no_target(self) -> None:
        assert request.apply_meta(ApplyCommand("m"), self.STUB) == {
            "options": {"params": {"algo": "a", "mode": "stage"}, "model_name": "m"},
            "feature_variables": ["x", "y"],
        }

    def test_a_parameter_of_the_apply_replaces_all_of_the_fits(self) -> None:
        options = request.apply_meta(ApplyCommand("m", "out", {"k": "v"}), self.STUB)["options"]
        assert options["params"] == {"k": "v"}
        assert options["output_name"] == "out"


@settings(deadline=None)
@given(st.integers(0, 130))
def test_chunks_hold_all_rows_in_order_and_at_most_fifty_each(rows: int) -> None:
    frame = pd.DataFrame({"x": range(rows)})
    pieces = list(request.chunks(frame, 50))
    assert pd.concat(pieces)["x"].tolist() == list(range(rows))
    assert all(len(piece) <= 50 for piece in pieces)
    assert len(pieces) == max(1, -(-rows // 50))
