"""Which nodes run the workers of one fit: all of them, or none.

The workers of a gang are alike. So nodes are filled one after another, the one with most room
first: that takes the fewest nodes, and it finds places for all whenever there are any.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar


class Room(Protocol):
    """A node, as far as a gang needs to know it."""

    @property
    def name(self) -> str: ...

    @property
    def here(self) -> bool: ...


Machine = TypeVar("Machine", bound=Room)
Rooms = Sequence[tuple[Machine, int]]  # nodes, each with how many workers of the gang it has room for


def spread(workers: int, rooms: Rooms[Machine], *, apart: bool) -> tuple[Machine, ...]:
    """Return the node of each worker, in the order of their ranks; none if there is no place for all.

    One node that has room for all is preferred, the front's own or else the first of them. `apart` says
    whether workers may be on several nodes.
    """
    whole = [node for node, room in rooms if room >= workers]
    if whole or not apart:
        best = min(whole, key=lambda node: not node.here, default=None)
        return (best,) * workers if best is not None else ()
    places = list[Machine]()
    for node, room in sorted(rooms, key=lambda pair: (-pair[1], not pair[0].here)):
        places += [node] * min(room, workers - len(places))
    return tuple(places) if len(places) == workers else ()


def claimed(workers: int, rooms: Rooms[Machine], *, apart: bool) -> Collection[str]:
    """Return the names of nodes that hold a gang once they are empty; `rooms` are those of empty nodes.

    The first of them are taken: hand them over in the order in which they are likely to be free.
    """
    if not apart or any(room >= workers for _, room in rooms):
        return tuple(node.name for node, room in rooms if room >= workers)[:1]
    names, held = list[str](), 0
    for node, room in rooms:
        if held < workers and room:
            names.append(node.name)
            held += room
    return tuple(names) if held >= workers else ()
