"""The arguments of fit, apply, summary, listmodels and deletemodel (protocol 4)."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.arguments import Option, Word, parse_arguments
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, parse_apply, parse_fit, parse_model, parse_nothing
from dltk_runtime.texts import unquote

KEYWORDS = {"into", "by", "as", "from"}
TAKEN_OUT = {"apply", "partial_fit", "sample_count", "sample_seed", "kfold_cv"}
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in KEYWORDS | TAKEN_OUT
)
quotable = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]), max_size=12)
values = names | quotable.map(lambda text: f'"{text}"')


def problem(arguments: str) -> str:
    with pytest.raises(SearchInvalid) as caught:
        parse_fit(arguments)
    return caught.value.sentence


class TestTokens:
    def test_blanks_and_commas_separate_outside_quotes(self) -> None:
        assert [*parse_arguments('a, b,c  "d, e"')] == [Word("a"), Word("b"), Word("c"), Word('"d, e"')]

    @pytest.mark.parametrize("typed", ["k=v", "k =v", "k= v", "k  =  v", "k\n=\tv", '"k"=v'])
    def test_blanks_may_surround_the_equals_sign(self, typed: str) -> None:
        assert [*parse_arguments(typed)] == [Option("k", "v")]

    def test_a_value_keeps_its_quotes_and_what_they_hold(self) -> None:
        grid = "\"{'C': [10., 300.]},{'gamma': [0.01]},\""
        assert [*parse_arguments(f"grid={grid} x")] == [Option("grid", grid), Word("x")]

    def test_a_value_may_hold_equals_signs_and_escaped_quotes(self) -> None:
        assert [*parse_arguments(r'url=a=b text="say \"hi\", x=1"')] == [
            Option("url", "a=b"),
            Option("text", r'"say \"hi\", x=1"'),
        ]

    def test_an_apostrophe_inside_a_word_opens_nothing(self) -> None:
        assert [*parse_arguments("don't isn't 'a b'")] == [Word("don't"), Word("isn't"), Word("'a b'")]

    @pytest.mark.parametrize("typed", ['"a', 'k="a', "=v", "k=", "k= ,", 'a "b'])
    def test_what_cannot_be_read_is_a_syntax_error(self, typed: str) -> None:
        with pytest.raises(SearchInvalid, match="Syntax error"):
            list(parse_arguments(typed))

    @settings(deadline=None)
    @given(quotable)
    def test_quoting_comes_back_as_it_went(self, text: str) -> None:
        (word,) = parse_arguments(f'"{text}"')
        assert isinstance(word, Word)
        assert word.name == unquote(f'"{text}"') == text


class TestFit:
    def test_options_stand_in_order_of_first_appearance(self) -> None:
        fit = parse_fit("MLTKContainer mode=stage algo=umap response from BMI age into app:diabetes plot=x")
        assert list(fit.options) == ["params", "args", "target_variable", "feature_variables", "model_name"]
        assert fit.options["params"] == {"mode": "stage", "algo": "umap", "plot": "x"}
        assert fit.options["args"] == ["response", "BMI", "age"]
        assert fit.options["target_variable"] == ["response"]
        assert fit.options["feature_variables"] == ["BMI", "age"]
        assert fit.model == "diabetes"

    def test_from_without_a_field_before_it_means_no_target(self) -> None:
        options = parse_fit("MLTKContainer algo=x from src dest").options
        assert list(options) == ["params", "feature_variables", "args"]
        assert options["args"] == options["feature_variables"] == ["src", "dest"]

    def test_without_from_all_fields_are_features(self) -> None:
        options = parse_fit("MLTKContainer a \"b c\" 'd e' f*").options
        assert options == {"args": ["a", "b c", "d e", "f*"], "feature_variables": ["a", "b c", "d e", "f*"]}

    def test_a_tilde_is_from_and_keywords_are_in_any_case(self) -> None:
        fit = parse_fit("MLTKContainer y ~ x INTO user:m AS out By z")
        assert fit.options == {
            "args": ["y", "x"],
            "target_variable": ["y"],
            "feature_variables": ["x"],
            "model_name": "m",
            "output_name": "out",
            "split_by": ["z"],
        }

    def test_a_quoted_keyword_is_a_field(self) -> None:
        assert parse_fit('MLTKContainer "into" x').options["args"] == ["into", "x"]

    def test_a_later_value_of_a_parameter_wins(self) -> None:
        assert parse_fit("MLTKContainer k=1 x k=2").options["params"] == {"k": "2"}

    def test_mltks_own_parameters_do_not_reach_the_algorithm(self) -> None:
        fit = parse_fit("MLTKContainer algo=a apply=f partial_fit=true sample_count=5 sample_seed=7 x into m")
        assert fit.options["params"] == {"algo": "a"}
        assert (fit.apply, fit.partial, fit.sample_count, fit.sample_seed) == (False, True, 5, 7)

    @pytest.mark.parametrize("keyword", ["into", "by", "as", "from"])
    def test_a_keyword_twice_is_an_error(self, keyword: str) -> None:
        assert problem(f"MLTKContainer {keyword} a {keyword} b") == (
            f'Syntax error: you may specify "{keyword}" only once'
        )

    @pytest.mark.parametrize("keyword", ["into", "by", "as"])
    @pytest.mark.parametrize("rest", ["", " k=v", ' ""'])
    def test_a_keyword_without_its_argument_is_an_error(self, keyword: str, rest: str) -> None:
        assert '"' + keyword + '" keyword requires argument' in problem(f"MLTKContainer x {keyword}{rest}")

    @pytest.mark.parametrize("name", ["1a", "a-b", "../x", "app:", "other:m", "a.b", "é"])
    def test_a_models_name_is_letters_digits_and_underscores(self, name: str) -> None:
        assert "Invalid model name" in problem(f"MLTKContainer x into {name}")

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ("", 'First argument must be an "algorithm"'),
            ("algo=x", 'First argument must be an "algorithm"'),
            ("LogisticRegression y from x", "runs inside Splunk"),
            ("MLTKContainer kfold_cv=3 y from x", "does not support kfold_cv"),
            ("MLTKContainer partial_fit=t y from x", '"partial_fit" needs a model'),
            ("MLTKContainer apply=perhaps y from x", "neither true nor false"),
            ("MLTKContainer sample_count=-1 y from x", "must be an integer"),
            ("MLTKContainer a b from x", "expected one target field"),
        ],
    )
    def test_what_mltk_refuses_is_refused(self, arguments: str, text: str) -> None:
        assert text in problem(arguments)

    @settings(deadline=None)
    @given(
        params=st.dictionaries(names, values, max_size=4),
        fields=st.lists(names, min_size=1, max_size=4, unique=True),
        model=st.none() | names,
        output=st.none() | names,
        equals=st.sampled_from(["=", " =", "= ", " = "]),
        order=st.randoms(use_true_random=False),
    )
    def test_tokens_mean_the_same_in_any_order(self, params, fields, model, output, equals, order) -> None:
        pieces = [f"{key}{equals}{value}" for key, value in params.items()]
        pieces += [f"into app:{model}"] if model else []
        pieces += [f"as {output}"] if output else []
        pieces += [" ".join(fields)]
        order.shuffle(pieces)
        options = parse_fit(" ".join(["MLTKContainer", *pieces])).options
        assert options.get("params", {}) == params
        assert options["feature_variables"] == options["args"] == fields
        assert options.get("model_name") == model
        assert options.get("output_name") == output

    @settings(deadline=None)
    @given(st.text(string.printable, max_size=40))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        with suppress(SearchInvalid):
            parse_fit("MLTKContainer " + text)


class TestApply:
    def test_model_name_and_parameters_are_read(self) -> None:
        assert parse_apply('app:m as out k=1 j = "2"') == ApplyCommand("m", "out", {"k": "1", "j": '"2"'})
        assert parse_apply("m") == ApplyCommand("m")

    @pytest.mark.parametrize("arguments", ["m x", "m y from x", "m into n", "m by x"])
    def test_positional_arguments_are_an_error(self, arguments: str) -> None:
        with pytest.raises(SearchInvalid, match="unexpected argument"):
            parse_apply(arguments)

    @pytest.mark.parametrize("arguments", ["", "k=v", "m as", "m as a as b"])
    def test_a_model_is_needed_and_as_needs_a_name(self, arguments: str) -> None:
        with pytest.raises(SearchInvalid, match=r"First argument|requires argument|only once"):
            parse_apply(arguments)


def test_summary_and_deletemodel_take_one_model_and_listmodels_takes_nothing() -> None:
    assert parse_model("app:m", "summary") == "m"
    parse_nothing("")
    with pytest.raises(SearchInvalid, match="unexpected argument 'k=v'"):
        parse_model("m k=v", "deletemodel")
    with pytest.raises(SearchInvalid, match="unexpected argument 'x'"):
        parse_nothing("x")
