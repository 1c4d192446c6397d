"""JupyterLab's login slows down who tries passwords."""

from __future__ import annotations

from dltk_runtime.lab.login import FORGET_SECONDS, FREE_ATTEMPTS, MAX_ADDRESSES, MAX_WAIT_SECONDS, Throttle


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_wrong_password_after_the_first_ones_doubles_the_wait() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(FREE_ATTEMPTS + 8):
        clock.now += throttle.seconds("a")
        throttle.failed("a")
        waits.append(throttle.seconds("a"))
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]
    assert throttle.seconds("another address") == 0
    throttle.succeeded("a")
    assert throttle.seconds("a") == 0


def test_wrong_passwords_are_forgotten_and_bounded() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE_ATTEMPTS + 1):
        throttle.failed("a")
    assert throttle.seconds("a") > 0
    clock.now = FORGET_SECONDS
    assert throttle.seconds("a") == 0
    for number in range(2 * MAX_ADDRESSES):
        throttle.failed(str(number))
    assert len(throttle._wrong) == MAX_ADDRESSES
