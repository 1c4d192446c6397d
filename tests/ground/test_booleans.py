"""Booleans as text, in the three dialects that the runtime reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dltk_runtime import booleans


@pytest.mark.parametrize("read", [booleans.parse, booleans.parse_spl, booleans.parse_conf])
@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("T", True), ("1", True), (" True ", True), ("false", False), ("F", False), ("0", False)],
)
def test_every_dialect_reads_true_t_1_false_f_0(read: Callable[[str], bool], text: str, value: bool) -> None:
    assert read(text) is value


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("Y", True), ("No", False), ("n", False)])
def test_yes_and_no_are_booleans_of_settings_and_conf_files_and_not_of_spl(text: str, value: bool) -> None:
    assert booleans.parse(text) is value
    assert booleans.parse_conf(text, default=not value) is value
    with pytest.raises(ValueError, match=text):
        booleans.parse_spl(text)


@pytest.mark.parametrize("text", ["", "on", "enabled", "maybe", "2"])
def test_other_text_is_refused(text: str) -> None:
    for read in (booleans.parse, booleans.parse_spl):
        with pytest.raises(ValueError, match=f"^{text}$"):
            read(text)


@pytest.mark.parametrize("default", [True, False])
def test_conf_files_know_more_words_and_have_a_default(default: bool) -> None:
    assert [booleans.parse_conf(each, default=default) for each in ("on", "Enabled", True, 1)] == [True] * 4
    assert [booleans.parse_conf(each, default=default) for each in ("off", "disabled", False, 0)] == [False] * 4
    assert [booleans.parse_conf(each, default=default) for each in ("", "maybe", None)] == [default] * 3
