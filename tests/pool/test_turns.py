"""Clients of a busy model take turns: many calls of one do not hold up another's."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Hashable
from typing import Any, cast

import pytest

from dltk_runtime.call import Request
from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.pool.background import Background
from dltk_runtime.pool.following import Following
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.residents import Residents
from dltk_runtime.pool.worker import discard
from dltk_runtime.worker.messages import Loaded

BUSY, OTHER = VersionId(ModelName("algo", "busy"), 3), VersionId(ModelName("algo", "other"), 1)


class Line:
    """Requests at the residents of one place; each is served when the test says so."""

    def __init__(self, places: int = 1, each: int = 1) -> None:
        self.residents = Residents(places, each, max_waiting=1000)
        self.served: list[Hashable] = []
        self._given: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def call(self, client: Hashable, version: VersionId = BUSY, times: int = 1) -> None:
        for _ in range(times):
            self._tasks.append(asyncio.create_task(self._call(client, version)))
            await asyncio.sleep(0)

    async def _call(self, client: Hashable, version: VersionId) -> None:
        self._given.append(await self.residents.grant(version, time.monotonic() + 600, client=client))
        self.served.append(client)

    async def serve(self, times: int = 1) -> None:
        """End the requests that were granted first."""
        for _ in range(times):
            self.residents.give_back(self._given.pop(0))
            for _ in range(4):  # until the next one has it
                await asyncio.sleep(0)


def test_a_client_waits_for_two_of_the_forty_calls_of_another_at_most() -> None:
    async def body() -> None:
        line = Line()
        await line.call("many", times=41)
        await line.serve(times=5)
        before = len(line.served) - 1  # the one that is served now
        await line.call("one")
        await line.serve(times=10)
        assert line.served.index("one") - before <= 2
        await line.call("one")
        before = len(line.served) - 1
        await line.serve(times=4)
        assert "one" in line.served[before : before + 3]
        await line.serve(times=41 + 2 - len(line.served))
        assert line.served.count("many") == 41

    asyncio.run(body())


def test_clients_with_many_calls_each_alternate_and_keep_their_own_order() -> None:
    async def body() -> None:
        line = Line()
        await line.call(("first",))
        await line.call("a", times=3)
        await line.call("b", times=3)
        await line.call("c", times=3)
        await line.serve(times=9)
        assert line.served[1:] == ["a", "b", "c"] * 3

    asyncio.run(body())


def test_the_calls_of_one_client_to_one_model_do_not_cost_it_its_turn_at_another() -> None:
    async def body() -> None:
        line = Line(places=1)
        await line.call("many", times=20)
        await line.call("many", OTHER)
        await line.call("one", OTHER, times=5)
        await line.serve(times=25)
        others = line.served[20:]
        assert sorted(others) == ["many", *["one"] * 5]
        assert others[0] == "many"

    asyncio.run(body())


def test_a_call_that_gives_up_leaves_the_line() -> None:
    async def body() -> None:
        line = Line()
        await line.call("a", times=3)
        await line.call("b", times=2)
        line._tasks[1].cancel()
        await asyncio.sleep(0)
        await line.serve(times=3)
        assert line.served == ["a", "b", "a", "b"]

    asyncio.run(body())


class Quick:
    """A worker that another request may follow in, as long as it is `quick`."""

    usable, reading, spoiled, quick = True, False, False, True
    background = Background(0, discard)

    def print_to(self, _: object) -> None:
        """Take no output."""

    def kill(self) -> None:
        """End."""
        self.usable = False


class Followed(Line):
    """A line at a resident that serves the model; each request may follow another one."""

    def __init__(self, each: int = 1, max_waiting: int = 1000, places: int = 2) -> None:
        super().__init__()
        self.residents = Residents(places, each, max_waiting)
        self.asked: dict[Hashable, Following] = {}
        self.several = set[Hashable]()  # clients whose requests may make several calls

    async def _call(self, client: Hashable, version: VersionId) -> None:
        following = None if client in self.several else self.asked.setdefault(client, Following(discard, lambda: None))
        resident = await self.residents.grant(version, time.monotonic() + 600, client=client, following=following)
        if resident.process is None:
            resident.process, resident.loaded = cast(LocalWorker, Quick()), Loaded(states=())
        self._given.append(resident)
        self.served.append(client)


def test_one_request_follows_that_which_runs_and_the_next_when_it_is_answered() -> None:
    async def body() -> None:
        line = Followed()
        for client in "abcd":
            await line.call(client)
        await asyncio.sleep(0)
        assert line.served == ["a", "b"]
        assert [line.asked[each].now for each in "abcd"] == [False, True, False, False]
        assert line.residents.waiting == 3
        await line.serve()
        assert line.served == ["a", "b", "c"]
        assert line.asked["c"].now
        await line.serve(times=3)
        assert line.served == ["a", "b", "c", "d"]
        assert line.residents.waiting == 0

    asyncio.run(body())


def test_a_request_that_is_moved_waits_ahead_of_those_that_came_later_and_follows_none() -> None:
    async def body() -> None:
        line = Followed()
        for client in "ab":
            await line.call(client)
        resident = line._given[0]
        resident.process.quick = False
        for client in "cd":
            await line.call(client)
        line.residents.give_back(line._given.pop(1))
        await line.call("b")
        assert line.served == ["a", "b"]
        resident.process.quick = True
        await line.call("e")
        assert line.served[2:] == []  # the first in the line is the one that may not follow
        await line.serve()
        assert line.served[2] == "b"
        assert not line.asked["b"].now
        await line.serve(times=4)
        assert line.served[3:] == ["c", "d", "e"]

    asyncio.run(body())


def moved(line: Followed, client: str) -> None:
    """End the lease of a request that follows another one, which is slow."""
    line._given[0].process.quick = False
    line.residents.give_back(line._given.pop(1))
    line.served.remove(client)


def test_a_request_that_is_moved_waits_ahead_of_those_for_another_model_that_came_later() -> None:
    async def body() -> None:
        line = Followed(places=1)
        for client in "ab":
            await line.call(client)
        await line.call("other", OTHER)
        moved(line, "b")
        await line.call("b")
        await line.serve(times=2)
        assert line.served == ["a", "b", "other"]

    asyncio.run(body())


def test_a_request_that_is_moved_keeps_its_place_in_a_line_that_is_full() -> None:
    async def body() -> None:
        line = Followed(max_waiting=3)
        for client in "abcd":
            await line.call(client)
        moved(line, "b")
        await line.call("e")
        await line.call("b")
        await line.serve(times=4)
        assert line.served == ["a", "b", "c", "d", "e"]

    asyncio.run(body())


def test_where_another_worker_may_start_none_follows() -> None:
    async def body() -> None:
        line = Followed(each=2)
        for client in "abc":
            await line.call(client)
        await asyncio.sleep(0)
        assert line._given[0] is not line._given[1]
        assert [line.asked[each].now for each in "abc"] == [False, False, True]

    asyncio.run(body())


def test_none_follows_a_request_that_may_make_several_calls() -> None:
    """The next one of them would come behind the request that follows, and be taken for it."""

    async def body() -> None:
        line = Followed()
        line.several = {"a", "d"}
        await line.call("a")
        await line.call("b")
        assert line.served == ["a"]
        await line.serve()
        await line.call("c")
        assert line.served == ["a", "b", "c"]
        assert line.asked["c"].now
        await line.serve(times=2)
        await line.call("d")
        await line.call("e")
        assert line.served[3:] == ["d"]

    asyncio.run(body())


def test_a_model_whose_requests_follow_each_other_gives_its_place_to_an_earlier_one_of_another() -> None:
    async def body() -> None:
        line = Followed(places=1)
        await line.call("a")
        await line.call("b")
        await line.call("other", OTHER)
        await line.call("c")
        await line.call("d")
        assert line.served == ["a", "b"]
        await line.serve()
        assert line.served == ["a", "b"]
        await line.serve()
        assert line.served == ["a", "b", "other"]
        await line.serve(times=3)
        assert line.served == ["a", "b", "other", "c", "d"]

    asyncio.run(body())


def test_a_model_that_may_have_no_more_workers_keeps_no_other_from_following() -> None:
    async def body() -> None:
        line = Followed()
        for client in "xyabc":
            await line.call(client, OTHER if client in "xy" else BUSY)
        await line.call("z", OTHER)
        assert line.served == ["x", "y", "a", "b"]
        await line.serve()
        assert line.served[4:] == ["z"]
        assert line.asked["z"].now

    asyncio.run(body())


def test_who_follows_counts_among_those_that_wait() -> None:
    async def body() -> None:
        line = Followed(max_waiting=1)
        for client in "abc":
            await line.call(client)
        await asyncio.sleep(0)
        assert line.served == ["a", "b"]
        with pytest.raises(Busy, match="DLTK_MAX_WAITING"):
            await line._tasks[2]

    asyncio.run(body())


def requests() -> list[tuple[str, dict[str, Any]]]:
    plain = {"options": {"params": {"algo": "a"}, "model_name": "m"}, "feature_variables": ["x"]}
    options = plain["options"]
    assert isinstance(options, dict)
    return [
        ("plain", plain),
        ("another model", {**plain, "options": {**options, "model_name": "n"}}),
        ("other parameters", {**plain, "options": {**options, "params": {"algo": "a", "k": "3"}}}),
        ("other columns", {**plain, "feature_variables": ["y"]}),
        ("a login", {**plain, "options": {**options, "session_key": "s1"}}),
        ("another login", {**plain, "options": {**options, "session_key": "s2"}}),
        ("a login of an older release", {**plain, "options": {**options, "search_info": {"session_key": "s3"}}}),
        ("a login elsewhere", {**plain, "search_info": {"session_key": "s4"}}),
    ]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(requests(), 2)), ids=lambda each: each[0])
def test_clients_are_told_apart_by_login_else_by_what_they_ask_for(
    one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]
) -> None:
    assert Request.of(NO_ROWS, one[1]).origin != Request.of(NO_ROWS, other[1]).origin
    assert Request.of(NO_ROWS, one[1]).origin == Request.of(NO_ROWS, dict(one[1])).origin


def test_all_searches_of_one_login_are_one_client() -> None:
    first, second = requests()[4][1], requests()[4][1]
    second["options"]["model_name"] = "n"
    assert Request.of(NO_ROWS, first).origin == Request.of(NO_ROWS, second).origin
    assert "s1" not in repr(Request.of(NO_ROWS, first))
