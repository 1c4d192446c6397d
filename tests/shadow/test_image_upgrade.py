"""This runtime behind this runtime: an image is tried as the next one, before it is the current one."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, meta_for, until

pytestmark = pytest.mark.process

DATA = "a,b\n" + "".join(f"{number},{number % 7}\n" for number in range(40))
FIT = "def fit(model, df, param):\n    model['mean'] = float(df['a'].mean())\n    return {}"
APPLY = "def apply(model, df, param): return pd.DataFrame({'far': df['a'] - model['mean'], 'text': 'Zoë'})"


@dataclass(frozen=True)
class Images:
    """The image in use, and the next one before it."""

    now: Service
    following: Service

    def both(self, path: str, algorithm: str = "") -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """What a client gets through the next image, and of the one in use."""
        body = json.dumps({"data": DATA, "meta": meta_for(DATA, "m", {"algo": algorithm})}) if algorithm else None
        return answer(self.following, path, body), answer(self.now, path, body)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    root = tmp_path_factory.mktemp("images")
    for name in ("now", "following"):
        write_notebook(root / name / "notebooks", "algo", fit=FIT, apply=APPLY)
    with Service(root / "now" / "home", root / "now" / "notebooks") as now:
        variables = {"DLTK_SHADOW": now.url, "DLTK_SHADOW_TOKEN": now.token}
        with Service(root / "following" / "home", root / "following" / "notebooks", **variables) as following:
            yield Images(now, following)


def answer(service: Service, path: str, body: str | None) -> tuple[int, str | None, bytes]:
    """Status, content type and body, on a connection of its own."""
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=200)
    headers = {"Authorization": service.token, "Content-Type": "application/json", "Connection": "close"}
    connection.request("POST" if body else "GET", path, body, headers)
    with connection.getresponse() as given:
        return given.status, given.getheader("Content-Type"), given.read()


def test_the_image_in_use_answers_to_the_byte_and_the_next_one_is_equal(images: Images) -> None:
    fitted = images.following.fit("algo", DATA, "m")
    assert fitted["status"] == "success"
    for path, algorithm in (("/apply", "algo"), ("/apply", "nowhere"), ("/summary", "")):
        through, direct = images.both(path, algorithm)
        assert through == direct, path
    assert json.loads(images.both("/apply", "algo")[0][2])["results"] == fitted["results"]

    def compared() -> dict[str, str] | None:
        models = json.loads(images.following.send("/v1/shadow", None))["models"]
        done = sum(each["comparisons"] for each in models) == 4  # a fit and three applies
        return {each["algorithm"]: each["verdict"] for each in models} if done else None

    assert until(compared, 200) == {"algo": "equal", "nowhere": "old fails"}
    assert [each.store_folders("algo") for each in (images.now, images.following)] == [["1"], ["1"]]
