"""Sessions of the console: cookies that nobody else can make, and an end that counts everywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from starlette.requests import Request

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry, hash_of
from dltk_runtime.access.holder import Right
from dltk_runtime.server.console.entrance import Entrance
from dltk_runtime.server.console.session import (
    HASHED,
    MAX_WRONG,
    SESSION_SECONDS,
    WRONG_SECONDS,
    Sessions,
    Throttle,
)
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.settings import Settings

API, ADMIN = "token-of-splunk-1234", "token-of-the-admin-1234"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def sessions(folder: Path, clock: Clock | None = None, api: str = API, admin: str = ADMIN) -> Sessions:
    settings = Settings(api_token=api, admin_token=admin)
    return Sessions(Tokens(settings), folder / "signed_out", clock or Clock())


def may(found: Sessions, token: str) -> str:
    """What a token may do in the pages, in words."""
    visitor = found.visitor(found.begin(token))
    return "" if visitor is None else "change" if visitor.may_promote and visitor.may_cancel else "read"


def test_the_admin_token_may_change_and_that_of_splunk_reads_where_there_is_no_other(tmp_path: Path) -> None:
    assert may(sessions(tmp_path), ADMIN) == "change"
    assert may(sessions(tmp_path), API) == ""
    assert may(sessions(tmp_path, admin=""), API) == "read"
    mine = sessions(tmp_path)
    admin, reader = (
        each.visitor(each.begin(token)) for each, token in ((mine, ADMIN), (sessions(tmp_path, admin=""), API))
    )
    assert [each.may_apply for each in (admin, reader) if each] == [True, False]
    assert [may(sessions(tmp_path), wrong) for wrong in ("", "x", ADMIN[:-1], ADMIN + "x")] == [""] * 4


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ([Right.READ], (False, False, False)),
        ([Right.READ, Right.APPLY], (False, False, True)),
        ([Right.READ, Right.PROMOTE], (True, False, False)),
        ([Right.ADMIN], (True, True, True)),
        ([Right.PROMOTE], None),
        ([Right.APPLY, Right.FIT], None),
    ],
)
def test_a_named_token_reads_and_changes_by_its_rights_until_it_is_removed(
    rights: list[Right], expected: tuple[bool, bool, bool] | None, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    token = file.add(path, TokenEntry(name="anna", values=[], rights=rights))
    mine = Sessions(Tokens(Settings(api_token=API, tokens_file=path)), tmp_path / "signed_out", Clock())
    cookie = mine.begin(token, "Anna\n\x1b[31m A.")
    found = mine.visitor(cookie)
    assert (found and (found.may_promote, found.may_cancel, found.may_apply)) == expected
    if found is not None:
        assert (found.actor.owner, found.actor.person) == ("anna", "Anna A.")
        assert len(cookie) < 1024
    assert may(mine, API) == "", "that of Splunk counts only where there is no other"
    file.remove(path, "anna")
    mine.tokens.look()
    assert mine.visitor(cookie) is None


def test_a_cookie_counts_on_every_replica_and_ends_with_the_tokens(tmp_path: Path) -> None:
    cookie = sessions(tmp_path).begin(ADMIN)
    found = sessions(tmp_path).visitor(cookie)
    assert found is not None
    assert found.may_promote
    assert sessions(tmp_path, admin="another-token-1234").read(cookie) is None
    assert sessions(tmp_path, api="another-token-1234").read(cookie) is None


def test_a_cookie_ends_by_itself(tmp_path: Path) -> None:
    clock = Clock()
    cookie = sessions(tmp_path, clock).begin(ADMIN)
    clock.now += SESSION_SECONDS - 1
    assert sessions(tmp_path, clock).read(cookie) is not None
    clock.now += 2
    assert sessions(tmp_path, clock).read(cookie) is None


def test_a_cookie_that_was_changed_anywhere_is_none(tmp_path: Path) -> None:
    mine = sessions(tmp_path)
    cookie = mine.begin(ADMIN)
    for place in range(len(cookie)):
        other = "A" if cookie[place] != "A" else "B"
        assert mine.read(cookie[:place] + other + cookie[place + 1 :]) is None
    for wrong in ("", ".", "a.b", cookie + "0", cookie * 9, "é." + cookie.partition(".")[2]):
        assert mine.read(wrong) is None


def test_a_sign_out_counts_on_every_replica(tmp_path: Path) -> None:
    mine, other = sessions(tmp_path), sessions(tmp_path)
    cookie, kept = mine.begin(ADMIN), mine.begin(ADMIN)
    session = mine.read(cookie)
    assert session is not None
    mine.end(session)
    assert other.read(cookie) is None
    assert other.read(kept) is not None


def test_notes_of_sessions_that_have_ended_are_removed(tmp_path: Path) -> None:
    import time

    clock = Clock()
    clock.now = time.time()
    mine = sessions(tmp_path, clock)
    first, second = (mine.read(mine.begin(ADMIN)) for _ in range(2))
    assert first is not None
    assert second is not None
    mine.end(first)
    clock.now += SESSION_SECONDS + 60
    mine.end(second)
    assert [note.name for note in mine.signed_out.iterdir()] == [second.id]


def test_the_note_of_a_sign_out_stays_until_its_cookie_would_have_ended(tmp_path: Path) -> None:
    import time

    clock = Clock()
    clock.now = time.time()
    mine = sessions(tmp_path, clock)
    cookie = mine.begin(ADMIN)
    first = mine.read(cookie)
    assert first is not None
    mine.end(first)
    clock.now += SESSION_SECONDS - 60
    second = mine.read(mine.begin(ADMIN))
    assert second is not None
    mine.end(second)  # old notes are looked for
    assert {note.name for note in mine.signed_out.iterdir()} == {first.id, second.id}
    assert mine.read(cookie) is None


def test_a_form_of_another_session_is_refused(tmp_path: Path) -> None:
    mine = sessions(tmp_path)
    first, second = (mine.read(mine.begin(ADMIN)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert mine.is_form_of(first, mine.form_token(first))
    assert not mine.is_form_of(first, mine.form_token(second))
    assert not mine.is_form_of(first, "")


def test_the_cookie_of_a_request_is_found_among_others(tmp_path: Path) -> None:
    mine = sessions(tmp_path)
    cookie = f"a=b; dltk_session={mine.begin(ADMIN)}; c".encode()
    assert mine.accepts([(b"host", b"x"), (b"cookie", cookie)])
    assert not mine.accepts([(b"cookie", b"dltk_session=x")])
    assert not mine.accepts([(b"authorization", cookie)])


def test_who_has_the_searchs_token_cannot_make_a_cookie_of_an_admin_whose_token_is_a_hash(tmp_path: Path) -> None:
    mine = sessions(tmp_path / "mine", api=API, admin=HASHED + hash_of(ADMIN))
    guessed = sessions(tmp_path / "guessed", api=API, admin=HASHED + hash_of("a guess"))
    forged = guessed.begin("a guess")
    assert guessed.visitor(forged) is not None
    assert mine.visitor(forged) is None
    assert may(mine, ADMIN) == "change"


def test_who_has_the_searchs_token_and_reads_the_file_of_hashes_cannot_make_a_cookie(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = file.add(path, TokenEntry(name="anna", values=[], rights=[Right.ADMIN]))
    mine, guessed = (
        Sessions(Tokens(Settings(api_token=API, tokens_file=path)), tmp_path / "signed_out", Clock()) for _ in range(2)
    )
    forged = guessed._cookie("anna", hash_of(token), "")
    assert guessed.visitor(forged) is not None
    assert mine.visitor(forged) is None
    with_admin = Settings(api_token=API, admin_token=ADMIN, tokens_file=path)
    one, other = (Sessions(Tokens(with_admin), tmp_path / "signed_out", Clock()) for _ in range(2))
    assert other.visitor(one.begin(token)) is not None, "with an admin's token sessions count on every replica"


def test_where_all_tokens_are_hashes_which_notebooks_can_read_no_cookie_follows_from_them(tmp_path: Path) -> None:
    hashed = HASHED + hash_of(ADMIN)
    one, other = (sessions(tmp_path, api=hashed, admin=hashed) for _ in range(2))
    cookie = one.begin(ADMIN)
    assert one.read(cookie) is not None
    assert other.read(cookie) is None


@pytest.mark.parametrize("others", [0, 3])
def test_wrong_tokens_slow_down_one_address_alone(others: int) -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(MAX_WRONG):
        assert throttle.wait("10.0.0.1") == 0
        throttle.wrong("10.0.0.1")
        for other in range(others):
            throttle.wrong(f"10.0.{number}.{other + 2}")
    assert 0 < throttle.wait("10.0.0.1") <= WRONG_SECONDS
    assert throttle.wait("10.0.0.9") == 0
    clock.now += WRONG_SECONDS + 1
    assert throttle.wait("10.0.0.1") == 0


def test_wrong_tokens_that_are_sent_at_the_same_time_are_counted_too(tmp_path: Path) -> None:
    entrance = Entrance(Mock(), sessions(tmp_path))
    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": [], "client": ("10.0.0.1", 1)}

    async def all_at_once() -> list[int]:
        begun = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await begun.wait()
            return {"type": "http.request", "body": b"token=wrong", "more_body": False}

        attempts = [asyncio.ensure_future(entrance.sign_in(Request(scope, receive))) for _ in range(MAX_WRONG + 3)]
        await asyncio.sleep(0)  # each has come to its body
        begun.set()
        return [answer.status_code for answer in await asyncio.gather(*attempts)]

    assert sorted(asyncio.run(all_at_once())) == [401] * MAX_WRONG + [429] * 3
