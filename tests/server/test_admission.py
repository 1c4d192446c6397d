"""Which connection ends when there are too many."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from dltk_runtime.server.admission import MAX_UNKNOWN_BYTES, Admission, ConnectionBounds, Turns, client_address
from dltk_runtime.settings import Settings

BOUNDS = ConnectionBounds(
    connections=16, of_address=3, head_seconds=1, body_seconds=1, body_rate=1
)  # 2 without a token


class Client:
    """A connection without a socket."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.held = 0
        self.idle = False
        self.ended = False

    def overdue(self, now: float) -> str | None:
        return "late" if now > 1 else None

    def end(self) -> None:
        self.ended = True


def entered(admission: Admission, *clients: Client) -> list[bool]:
    return [admission.enter(each) for each in clients]


def test_the_oldest_without_a_token_makes_room_and_those_with_one_stay() -> None:
    admission = Admission(BOUNDS)
    with_token, first, second, third = (Client(f"192.0.2.{number}") for number in range(4))
    entered(admission, with_token)
    admission.accept(with_token)
    assert entered(admission, first, second, third) == [True] * 3
    assert [each.ended for each in (with_token, first, second, third)] == [False, True, False, False]


def test_an_address_that_sent_a_token_gives_way_last() -> None:
    admission = Admission(BOUNDS)
    splunk, again = Client("192.0.2.9"), Client("192.0.2.9")
    entered(admission, splunk)
    admission.accept(splunk)
    crowd = [Client(f"192.0.2.{number}") for number in range(8)]
    entered(admission, again, *crowd)
    assert not again.ended
    assert [each.ended for each in crowd] == [True] * 7 + [False]


def test_where_all_have_a_token_one_without_a_request_makes_room_else_none() -> None:
    admission = Admission(BOUNDS)
    clients = [Client() for _ in range(16)]
    for each in clients:
        entered(admission, each)
        admission.accept(each)
    assert entered(admission, Client()) == [False]
    clients[5].idle = True
    assert entered(admission, Client()) == [True]
    assert [each for each in clients if each.ended] == [clients[5]]


def test_who_holds_most_ends_when_all_hold_too_much() -> None:
    admission = Admission(BOUNDS)
    little, much = Client("192.0.2.1"), Client("192.0.2.2")
    entered(admission, little, much)
    admission.holds(much, MAX_UNKNOWN_BYTES - 1000)
    admission.holds(little, 500)
    assert not much.ended
    admission.holds(little, 2000)
    assert (little.ended, much.ended) == (False, True)
    admission.holds(little, MAX_UNKNOWN_BYTES)
    assert not little.ended


def test_what_has_ended_is_forgotten() -> None:
    admission = Admission(BOUNDS)
    client = Client()
    entered(admission, client)
    admission.holds(client, 10)
    admission.leave(client)
    admission.leave(client)
    admission.accept(client)
    assert len(admission) == 0


def test_overdue_connections_end() -> None:
    admission = Admission(BOUNDS)
    client = Client()
    entered(admission, client)
    admission.end_overdue(1)
    assert not client.ended
    admission.end_overdue(2)
    assert client.ended
    assert admission.counts == {"late": 1}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(host: str, address: str) -> None:
    assert client_address(host) == address


@pytest.mark.parametrize(("descriptors", "connections"), [(2**20, 4096), (1024, 768), (300, 150)])
def test_a_process_with_few_descriptors_has_fewer_connections(descriptors: int, connections: int) -> None:
    assert ConnectionBounds.of(Settings(), descriptors).connections == connections
    assert dataclasses.replace(BOUNDS, connections=1).unknown == 1


def test_one_further_request_starts_at_each_turn_of_the_event_loop() -> None:
    async def main() -> list[int]:
        started: list[int] = []
        turns = Turns()
        for number in range(3):
            turns.add(lambda number=number: started.append(number))  # type: ignore[misc]
        seen = []
        for _ in range(5):
            await asyncio.sleep(0)
            seen.append(len(started))
        return seen

    assert asyncio.run(main()) == [1, 2, 3, 3, 3]
