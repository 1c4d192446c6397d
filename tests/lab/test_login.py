"""JupyterLab's login slows down who tries passwords, and its cookie is not for other sites."""

from __future__ import annotations

from unittest.mock import Mock

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler
from traitlets.config import Config

from dltk_runtime.lab.login import FORGET_SECONDS, FREE_ATTEMPTS, MAX_ADDRESSES, MAX_WAIT_SECONDS, Throttle, protect


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


def test_no_other_site_can_send_what_the_cookie_of_the_login_allows() -> None:
    c = Config()
    protect(c, "sha256:ab:cd")
    provider = PasswordIdentityProvider(config=c)
    line, headers = RequestStartLine("POST", "/login", "HTTP/1.1"), HTTPHeaders(Host="lab.example")
    request = HTTPServerRequest(connection=Mock(), start_line=line, headers=headers)
    handler = RequestHandler(Application(cookie_secret="of this test"), request)
    handler.base_url = "/"  # type: ignore[attr-defined]
    provider.set_login_cookie(handler, User("anna"))
    (cookie,) = handler._new_cookie.values()
    assert {"SameSite=Lax", "HttpOnly"} <= set(cookie.OutputString().split("; "))
    assert (provider.token, provider.password_required, provider.allow_password_change) == ("", True, False)
    assert provider.login_handler_class.__name__ == "Login"
