"""JupyterLab's login: after some wrong passwords an address waits, each time twice as long."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.login import LoginFormHandler

FREE_ATTEMPTS = 3  # wrong passwords of one address without a wait
MAX_WAIT_SECONDS = 60.0
FORGET_SECONDS = 900.0  # without an attempt
MAX_ADDRESSES = 1024  # that are remembered; the one that tried longest ago is forgotten
TOO_MANY_REQUESTS = 429
UNAUTHORIZED = 401
_SETTING = "dltk_throttle"  # of the web application


def protect(c: Any, hashed_password: str) -> None:
    """Configure Jupyter to ask for a password; `c` is its configuration object.

    Browsers send the cookie of the login with no form or script of another site. What JupyterLab
    forwards (`/proxy/`) lacks the check of its own pages, and the image's MLflow checks no origin.
    """
    c.IdentityProvider.token = ""
    c.IdentityProvider.cookie_options = {"samesite": "Lax"}
    c.PasswordIdentityProvider.hashed_password = hashed_password
    c.PasswordIdentityProvider.login_handler_class = f"{Login.__module__}.{Login.__qualname__}"
    c.PasswordIdentityProvider.password_required = True
    c.PasswordIdentityProvider.allow_password_change = False


class Throttle:
    """Counts wrong passwords by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the last was

    def seconds(self, address: str) -> float:
        """Return how long the address has to wait for its next attempt."""
        count, last = self._wrong.get(address, (0, 0.0))
        passed = self._clock() - last
        if count <= FREE_ATTEMPTS or passed >= FORGET_SECONDS:
            return 0.0
        wait = min(MAX_WAIT_SECONDS, 2.0 ** min(count - FREE_ATTEMPTS, 16))
        return max(0.0, wait - passed)

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        count, last = self._wrong.pop(address, (0, 0.0))
        now = self._clock()
        self._wrong[address] = (count + 1 if now - last < FORGET_SECONDS else 1, now)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the address's wrong passwords."""
        self._wrong.pop(address, None)


class Login(LoginFormHandler):
    """Jupyter's own login, with a wait after wrong passwords."""

    _show: Any = LoginFormHandler._render  # noqa: SLF001 - the page has no other entry
    _check: Any = LoginFormHandler.post

    @allow_unauthenticated
    def post(self) -> None:
        """Check a password, or refuse to and name the seconds to wait."""
        throttle: Throttle = self.settings.setdefault(_SETTING, Throttle())
        address = str(self.request.remote_ip)
        if wait := math.ceil(throttle.seconds(address)):
            self.set_status(TOO_MANY_REQUESTS)
            self.set_header("Retry-After", str(wait))
            self._show(message={"error": f"Too many wrong passwords. Try again in {wait} s."})
            return
        self._check()
        if self.get_status() == UNAUTHORIZED:
            throttle.failed(address)
        else:
            throttle.succeeded(address)
