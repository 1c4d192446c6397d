"""A request that follows another one: it runs once or, taken back, never, whatever happens to either."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dltk_runtime.call import Call
from dltk_runtime.payload import Payload
from dltk_runtime.pool.calls import Calls, Turn
from dltk_runtime.pool.conversation import Conversation
from dltk_runtime.pool.following import Following, Moved, may_follow
from dltk_runtime.pool.outcome import Death, WorkerDied
from dltk_runtime.pool.printed import Printed
from dltk_runtime.pool.requests import Requests
from dltk_runtime.scrub import NOTHING_SECRET
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import Applied, Apply, FromWorker, ReadAhead
from tests.support.descriptors import descriptors, no_descriptor_left

DIED = WorkerDied(Death("was ended by a test", "apply"))
SIDES = ["call", "follow", "read ahead", "begin", "answer", "receive", "print"]
STEPS = [*SIDES, "slow", "give up one", "give up two", "die"]


@dataclass
class Asked:
    """A request as its client sees it."""

    name: str
    output: list[bytes] = field(default_factory=list)
    task: asyncio.Task[bytes] | None = None
    began: list[str] = field(default_factory=list)


class Worker:
    """The other side: it takes, runs and answers when the test says so."""

    def __init__(self, requests: socket.socket, answers: socket.socket, pipes: list[int]) -> None:
        self.ran: list[str] = []
        self.holds = ""
        self._requests, self._answers, self._pipes = requests, answers, pipes

    def begin(self) -> None:
        """Receive the next request, and print its name."""
        while not self.holds:
            try:
                message, rows, files, follows = channel.receive(self._requests, channel.TO_WORKER)
            except BlockingIOError:
                return
            for descriptor in files:
                os.close(descriptor)
            if isinstance(message, Apply):
                if follows:
                    self._pipes.reverse()
                self.holds = bytes(rows.view()).decode()
                self.ran.append(self.holds)
                self.print()

    def print(self) -> None:
        if self.holds:
            os.write(self._pipes[0], self.holds.encode())

    def answer(self) -> None:
        if self.holds:
            channel.send(self._answers, Applied(1, 1), Payload(self.holds.encode(), escaped=True))
            self.holds = ""


class Scene:
    """The calls of one worker, with everything between the two but the processes."""

    def __init__(self, held: contextlib.ExitStack) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests_end, unread = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipes = [os.pipe2(os.O_NONBLOCK) for _ in range(2)]
        for sock in (ours, self.requests_end, unread):
            sock.setblocking(False)
        self.requests = Requests(self.requests_end, unread)
        self.printed = Printed((pipes[0][0], pipes[1][0]), NOTHING_SECRET)
        self.worker = Worker(unread.dup(), theirs, [write for _, write in pipes])
        self.conversation = Conversation(ours, self._take, lambda: None)
        asyncio.get_running_loop().remove_reader(ours)  # it receives when the test says so
        self.calls = Calls(self.requests, self.printed, self.conversation.receive_rest, lambda cause: None)
        self.asked: list[Asked] = []
        self.taken_back: list[str] = []
        self.dead = False
        held.callback(self.worker._requests.close)
        held.callback(theirs.close)
        for _, write in pipes:
            held.callback(os.close, write)

    def _take(self, message: FromWorker, rows: Payload) -> None:
        self.calls.answered(message, rows)

    def call(self, *, follows: bool, call: Call | None = None) -> None:
        busy = sum(each.task is not None and not each.task.done() for each in self.asked)
        if busy != follows or self.dead or self.calls.spoiled or (self.calls.running is None) == follows:
            return
        asked = Asked(f"<{len(self.asked)}>")
        following = None
        if call is not None:
            following = Following(asked.output.append, call.runs, call.handed)
        elif follows:
            following = Following(asked.output.append, lambda: asked.began.append(asked.name))
        if not follows:
            self.printed.output = asked.output.append
        asked.task = asyncio.create_task(self._run(asked, following))
        self.asked.append(asked)

    async def _run(self, asked: Asked, following: Following | None) -> bytes:
        turn = Turn(time.monotonic() + 600, "", following)
        try:
            _, rows = await self.calls.run(turn, Apply(b"{}"), Payload(asked.name.encode(), escaped=True))
        except Moved:
            self.taken_back.append(asked.name)
            raise
        return bytes(rows.view())

    def give_up(self, number: int) -> None:
        waiting = [each.task for each in self.asked if each.task is not None and not each.task.done()]
        if len(waiting) > number:
            waiting[number].cancel()

    def read_ahead(self) -> None:
        descriptor = os.eventfd(0)
        self.requests.send_files(ReadAhead(1, 1), (descriptor,))
        os.close(descriptor)

    def die(self) -> None:
        if not self.dead:
            self.dead = True
            unbegun = self.requests.drop()
            self.conversation.receive_rest()
            self.calls.died(unbegun, DIED)

    def step(self, name: str) -> None:
        match name:
            case "call" | "follow":
                self.call(follows=name == "follow")
            case "read ahead":
                self.read_ahead()
            case "begin" | "answer" | "print":
                if not self.dead:
                    {"begin": self.worker.begin, "answer": self.worker.answer, "print": self.worker.print}[name]()
            case "receive":
                self.conversation.receive_rest()
            case "slow":
                self.calls.take_back()
            case "give up one" | "give up two":
                self.give_up(int(name.endswith("two")))
            case "die":
                self.die()

    async def settle(self) -> None:
        """Let the worker run all that it has, and take its answers; then it dies."""
        for _ in range(3):
            for name in ("begin", "answer", "receive"):
                self.step(name)
                await turn_of_the_loop()
        self.die()
        await asyncio.gather(*(each.task for each in self.asked if each.task), return_exceptions=True)
        self.printed.close()
        self.conversation.close()
        self.requests.close()


async def turn_of_the_loop() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


def check(scene: Scene) -> None:
    ran, spoiled = scene.worker.ran, scene.calls.spoiled
    assert len(set(ran)) == len(ran), "a request ran twice"
    assert not set(ran) & set(scene.taken_back), "a request ran that was taken back"
    for asked in scene.asked:
        assert asked.task is not None
        if asked.task.cancelled():
            continue
        error = asked.task.exception()
        if error is None:
            assert asked.task.result() == asked.name.encode(), "a request got another one's answer"
            assert asked.output
            assert b"".join(asked.output).replace(asked.name.encode(), b"") == b"", "it got another one's output"
        elif isinstance(error, WorkerDied):
            assert scene.dead or spoiled
        else:
            assert isinstance(error, Moved)
            assert asked.output == []


@examples(max_examples=150)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=30))
def test_a_request_runs_once_or_is_moved_and_gets_its_own_answer_and_output(steps: list[str]) -> None:
    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            for name in ["call", *steps]:
                scene.step(name)
                await turn_of_the_loop()
            await scene.settle()
            check(scene)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("steps", "moved", "ran"),
    [
        (["call", "begin", "follow", "slow"], ["<1>"], ["<0>"]),
        (["call", "begin", "follow", "answer", "begin", "slow"], [], ["<0>", "<1>"]),
        (["call", "begin", "follow", "give up one"], ["<1>"], ["<0>"]),
        (["call", "begin", "follow", "give up two"], [], ["<0>"]),
        (["call", "begin", "follow", "die"], ["<1>"], ["<0>"]),
        (["call", "begin", "follow", "answer", "die"], ["<1>"], ["<0>"]),
        (["call", "follow", "read ahead", "slow"], ["<1>"], ["<0>"]),
        (["call", "follow", "give up one"], ["<1>"], []),
    ],
    ids=["slow", "begun when it is found slow", "the first gives up", "the second gives up", "death",
         "death between the two", "neither is begun", "the first gives up before it is begun"],
)  # fmt: skip
def test_a_request_that_waits_is_moved(steps: list[str], moved: list[str], ran: list[str]) -> None:
    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            for name in steps:
                scene.step(name)
                await turn_of_the_loop()
            await scene.settle()
            check(scene)
            assert (scene.taken_back, scene.worker.ran) == (moved, ran)

    asyncio.run(body())


@pytest.mark.parametrize("gives_up", ["one", "two"])
def test_a_call_whose_answer_is_there_spoils_no_worker(gives_up: str) -> None:
    steps = ["call", "begin", "follow", "answer", "begin", "answer", f"give up {gives_up}", "receive"]

    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            for name in steps:
                scene.step(name)
                await turn_of_the_loop()
            assert not scene.calls.spoiled
            await scene.settle()
            check(scene)

    asyncio.run(body())


@pytest.mark.parametrize("steps", [["call"], ["call", "follow"]], ids=["alone", "with one behind it"])
def test_a_call_that_is_given_up_before_it_is_begun_spoils_no_worker(steps: list[str]) -> None:
    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            for name in [*steps, "give up one"]:
                scene.step(name)
                await turn_of_the_loop()
            assert not scene.calls.spoiled
            scene.step("call")
            await scene.settle()
            check(scene)
            assert scene.worker.ran == [f"<{len(steps)}>"]

    asyncio.run(body())


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_hangs_up_leaves_a_request_that_has_begun_to_its_end(begun: bool) -> None:
    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene, call = Scene(held), Call("2", "/apply")
            for name in ["call", "begin"]:
                scene.step(name)
                await turn_of_the_loop()
            scene.call(follows=True, call=call)
            await turn_of_the_loop()
            for name in ["answer", "begin"] if begun else []:
                scene.step(name)
            assert call.waiting  # as far as is known
            assert call.given_up() is not begun
            await scene.settle()
            check(scene)
            assert (scene.taken_back, scene.calls.spoiled) == ([] if begun else ["<1>"], False)
            assert scene.worker.ran == ["<0>", "<1>"][: 1 + begun]

    asyncio.run(body())


def test_a_request_whose_rows_are_lost_on_the_way_back_is_told_so_and_can_be_sent_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            large = Payload(b"x" * (channel.MAX_INLINE_BYTES + 1), escaped=True)
            first = asyncio.create_task(scene.calls.run(Turn(time.monotonic() + 600, ""), Apply(b"{}"), large))
            scene.asked.append(Asked("<0>", task=cast("asyncio.Task[bytes]", first)))
            await turn_of_the_loop()
            scene.step("read ahead")
            scene.step("follow")
            await turn_of_the_loop()
            before = descriptors()
            with no_descriptor_left():
                scene.step("slow")
            await turn_of_the_loop()
            assert descriptors() <= before
            with pytest.raises(WorkerDied, match="no file descriptor left, in step 'send'"):
                await first
            assert scene.taken_back == ["<1>"]
            assert scene.calls.running is None
            assert [record.message for record in caplog.records] == ["a message to a worker is lost"] * 2
            scene.step("call")
            await scene.settle()
            check(scene)
            assert scene.worker.ran == ["<2>"]

    asyncio.run(body())


def test_a_request_that_cannot_be_sent_takes_no_answer_of_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptor_left(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            monkeypatch.setattr(channel, "_in_file", no_descriptor_left)
            large = Payload(bytes(channel.MAX_INLINE_BYTES + 1), escaped=True)
            with pytest.raises(OSError, match="Too many"):
                await scene.calls.run(Turn(time.monotonic() + 600, ""), Apply(b"{}"), large)
            assert scene.calls.running is None
            monkeypatch.undo()
            scene.step("call")
            await scene.settle()
            check(scene)
            assert scene.worker.ran == ["<0>"]

    asyncio.run(body())


def test_a_request_that_cannot_be_sent_behind_another_one_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise channel.ChannelClosed

    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            scene.step("call")
            await turn_of_the_loop()
            monkeypatch.setattr(scene.requests, "send_behind", closed)
            scene.step("follow")
            await turn_of_the_loop()
            assert scene.taken_back == ["<1>"]
            assert scene.printed.behind is None
            await scene.settle()
            check(scene)

    asyncio.run(body())


def test_in_a_row_of_requests_each_has_its_own_output() -> None:
    again = ["follow", "print", "answer", "begin", "receive"]

    async def body() -> None:
        with contextlib.ExitStack() as held:
            scene = Scene(held)
            for name in ["call", "begin", *again, *again, *again]:
                scene.step(name)
                await turn_of_the_loop()
            await scene.settle()
            check(scene)
            assert [len(b"".join(each.output)) for each in scene.asked] == [2 * len("<0>")] * 3 + [len("<0>")]

    asyncio.run(body())


def test_large_rows_do_not_follow() -> None:
    assert may_follow(Payload(bytes(channel.MAX_INLINE_BYTES), escaped=True))
    assert not may_follow(Payload(bytes(channel.MAX_INLINE_BYTES + 1), escaped=True))
