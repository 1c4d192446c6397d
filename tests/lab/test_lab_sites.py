"""What pages of other sites reach of JupyterLab by websocket, with the cookie of somebody who is logged in."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.request

import pytest
import websocket  # of jupyter_server's dependencies

from dltk_runtime.paths import Paths
from tests.lab.test_lab_browser import TOKEN, lab
from tests.support.service import until

pytestmark = pytest.mark.process

SWITCHED, FORBIDDEN = 101, 403
# Jupyter's own websocket, that of the language servers, and what is forwarded: to a port, and to TensorBoard.
PATHS = ("api/events/subscribe", "lsp/ws/pylsp", "proxy/1/ws", "tensorboard/ws")


@pytest.mark.timeout(900)
def test_no_page_of_another_site_opens_a_websocket(paths: Paths) -> None:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def logged_in(url: str) -> bool:
        try:
            opener.open(f"{url}/lab?token={TOKEN}", timeout=120).close()
        except urllib.error.URLError:
            return False
        return True

    with lab(paths) as url:
        until(lambda: logged_in(url), 120)
        cookie = "; ".join(f"{each.name}={each.value}" for each in jar)
        own, other = url, "https://other.example"
        found = {
            path: [_status(url, path, *each) for each in ((own, cookie), (own, ""), (other, cookie))] for path in PATHS
        }
    assert found == {path: [SWITCHED, FORBIDDEN, FORBIDDEN] for path in PATHS}


def _status(url: str, path: str, origin: str, cookie: str) -> int:
    address = f"{url.replace('http', 'ws', 1)}/{path}"
    try:
        websocket.create_connection(address, origin=origin, cookie=cookie or None, timeout=120).close()
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code
    return SWITCHED
