"""The file of named tokens: what it keeps, what is refused, and what is in force after a change."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.access import file
from dltk_runtime.access.errors import (
    ModelForbidden,
    RightMissing,
    TokenExists,
    TokenInvalid,
    TokensDamaged,
    TokenUnknown,
)
from dltk_runtime.access.file import TokenEntry, hash_of
from dltk_runtime.access.holder import ALL_RIGHTS, Holder, Right
from dltk_runtime.access.named import NamedTokens
from dltk_runtime.names import ModelName
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.settings import Settings

HASH = hash_of("a-token")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "tokens.json"


def entry(name: str = "dashboards", *rights: Right) -> TokenEntry:
    return TokenEntry(name=name, values=[], rights=list(rights or [Right.APPLY]))


def document(**changes: Any) -> bytes:
    token = {"name": "one", "values": [{"sha256": HASH}], "rights": ["apply"]} | changes
    return json.dumps({"tokens": [token]}).encode()


def test_a_token_is_kept_as_its_hash_and_its_owner_alone_reads_the_file(path: Path) -> None:
    token = file.add(path, entry())
    assert len(token) >= 40
    assert token not in path.read_text()
    assert hash_of(token) in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_rights_of_the_file_that_somebody_chose_stay(path: Path) -> None:
    file.add(path, entry())
    path.chmod(0o640)
    file.add(path, entry("other"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("bound", [{"gpu_seconds": float("nan")}, {"gpu_seconds": float("inf")}, {"fits": -1}])
def test_a_bound_that_json_cannot_hold_makes_no_token(bound: dict[str, Any], path: Path) -> None:
    """It was written as null, and the token had no bound at all."""
    with pytest.raises(TokenInvalid, match="below 0, or no number"):
        file.add(path, TokenEntry(name="a", values=[], rights=[Right.FIT], **bound))
    assert not path.exists()


def test_a_link_stays_one_and_what_it_leads_to_is_changed(path: Path, tmp_path: Path) -> None:
    file.add(path, entry())
    link = tmp_path / "link.json"
    link.symlink_to(path)
    token = file.add(link, entry("other"))
    assert link.is_symlink()
    assert NamedTokens(path).find(token.encode()) is not None
    file.remove(link, "other")
    assert NamedTokens(path).names() == {"dashboards"}


def test_no_token_is_lost_where_several_are_made_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: file.add(path, entry(f"t{number}")), range(24)))
    named = NamedTokens(path)
    assert all(named.find(token.encode()) for token in made)


def test_a_second_value_counts_beside_the_first_until_that_is_removed(path: Path) -> None:
    first = file.add(path, entry())
    named = NamedTokens(path)
    with pytest.raises(TokenExists):
        file.add(path, entry())
    second = file.add(path, entry("dashboards", Right.ADMIN), rotate=True)
    named.look()
    holders = [named.find(each.encode()) for each in (first, second)]
    assert [each.rights for each in holders if each] == [frozenset({Right.APPLY})] * 2
    assert file.remove(path, "dashboards", old=True) == 1
    named.look()
    assert (named.find(first.encode()), named.find(second.encode()) is not None) == (None, True)
    assert file.remove(path, "dashboards") == 1
    named.look()
    assert (named.find(second.encode()), bool(named)) == (None, False)


def test_an_unknown_name_is_said_with_the_known_ones(path: Path) -> None:
    file.add(path, entry())
    for change in (lambda: file.remove(path, "x"), lambda: file.add(path, entry("x"), rotate=True)):
        with pytest.raises(TokenUnknown, match="there are dashboards"):
            change()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected"),
        (document(name="a b"), "no name of a token"),
        (document(name=""), "no name of a token"),
        (document(name="api_token"), "no name of a token"),
        (document(name="proxy"), "no name of a token"),
        (document(rights=["fly"]), "'fly'"),
        (document(right=["apply"]), "unknown field"),
        (document(values=[]), "needs values"),
        (document(values=[{"sha256": "12"}]), "64 hexadecimal"),
        (document(values=[{"sha256": HASH}, {"sha256": HASH}]), "comes twice"),
        (document(models=[]), "needs models"),
        (document(fits=-1), "below 0"),
        (document(disk="much"), "no size"),
        (b'{"tokens": [%s, %s]}' % ((document()[12:-2],) * 2), "comes twice"),
        (b"\xff", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_says_why(content: bytes, said: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(TokensDamaged, match="DLTK_TOKENS_FILE") as raised:
        NamedTokens(path)
    assert said in raised.value.sentence


def test_a_missing_file_and_one_that_everybody_may_write_are_refused(path: Path) -> None:
    with pytest.raises(TokensDamaged, match="dltk tokens new"):
        NamedTokens(path)
    file.add(path, entry())
    path.chmod(0o602)
    with pytest.raises(TokensDamaged, match="chmod o-w"):
        NamedTokens(path)


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), Path.unlink], ids=["damaged", "gone"])
def test_the_last_good_file_stays_in_force(path: Path, damage: Callable[[Path], object]) -> None:
    token = file.add(path, entry())
    named = NamedTokens(path)
    good = path.read_bytes()
    damage(path)
    for _ in range(2):
        named.look()
    assert named.unread
    assert named.find(token.encode()) is not None
    path.write_bytes(good)
    path.chmod(0o600)
    named.look()
    assert not named.unread


def test_admin_includes_every_right_and_others_only_themselves(path: Path) -> None:
    tokens = {right: file.add(path, entry(str(right), right)) for right in Right}
    named = NamedTokens(path)
    found = {right: named.find(token.encode()) for right, token in tokens.items()}
    assert {right: holder.rights for right, holder in found.items() if holder} == {
        right: ALL_RIGHTS if right is Right.ADMIN else frozenset({right}) for right in Right
    }


def test_a_pattern_is_for_the_models_name_or_for_both() -> None:
    sales, other = ModelName("umap", "sales_eu"), ModelName("kmeans", "other")
    for patterns, expected in {
        ("*",): (True, True),
        ("sales_*",): (True, False),
        ("umap/*",): (True, False),
        ("kmeans/sales_*",): (False, False),
        ("kmeans/*", "sales_?u"): (True, True),
        ("SALES_*",): (False, False),
    }.items():
        holder = Holder("t", models=patterns)
        assert (holder.covers(sales), holder.covers(other)) == expected, patterns


def test_a_refusal_names_the_token_and_what_it_may() -> None:
    holder = Holder("dashboards", frozenset({Right.READ, Right.APPLY}), ("sales_*",))
    with pytest.raises(RightMissing, match="'dashboards' lacks the right 'fit': it has apply, read"):
        holder.check(Right.FIT)
    with pytest.raises(ModelForbidden, match=r"'dashboards' is for the models sales_\*, and umap/m is none"):
        holder.check(Right.APPLY, ModelName("umap", "m"))


@pytest.mark.parametrize("scheme", ["", "Bearer ", "Splunk "])
def test_a_named_token_counts_alone_or_after_a_scheme_and_only_once(scheme: str, path: Path) -> None:
    token = file.add(path, entry())
    tokens = Tokens(Settings(api_token="the-api-token", tokens_file=path))
    holder = tokens.holder([scheme + token])
    assert holder is not None
    assert holder.name == "dashboards"
    assert tokens.holder([scheme + token] * 2) is None
    for wrong in ("", scheme, f"{scheme}{token}x", hash_of(token), f"Basic {token}"):
        assert tokens.holder([wrong]) is None, wrong


def test_the_container_s_own_tokens_have_the_rights_that_they_had(path: Path) -> None:
    alone = Tokens(Settings(api_token="api-0123")).holder(["api-0123"])
    both = Tokens(Settings(api_token="api-0123", admin_token="admin-0123"))
    first, second = both.holder(["api-0123"]), both.holder(["admin-0123"])
    assert alone is not None
    assert first is not None
    assert second is not None
    assert alone.rights == ALL_RIGHTS
    assert first.rights == {Right.APPLY, Right.FIT, Right.READ}
    assert second.rights == {Right.READ, Right.PROMOTE, Right.ADMIN}


def test_a_file_in_a_folder_that_is_not_there_has_no_tokens(path: Path) -> None:
    with pytest.raises(TokensDamaged, match="make it with 'dltk tokens new NAME'"):
        file.remove(path, "dashboards")
    with pytest.raises(TokenUnknown):
        file.add(path, entry(), rotate=True)
