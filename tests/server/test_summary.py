"""``/summary`` is the same on every replica, after restarts too, whichever of them used the model last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "x\n1\n2\n"
PICTURE = """
    def apply(model, df, param):
        model["picture"] = f"b'{param['options']['params'].get('text', 'of the fit')}'"
        return df
"""


@pytest.fixture
def replicas(paths: Paths, make_notebook: MakeNotebook) -> Iterator[tuple[Service, Service]]:
    """Two servers over one home."""
    make_notebook("algo", apply=PICTURE)
    with Service(paths.home, paths.notebooks) as one, Service(paths.home, paths.notebooks) as other:
        yield one, other


def models(*services: Service) -> list[str]:
    return [service.summary()["model"] for service in services]


def same(*services: Service) -> Any:
    """What all of them answer, once they agree."""

    def agreed() -> Any:
        found = [service.summary() for service in services]
        return found[0] if all(each == found[0] for each in found) else None

    return until(agreed)


def test_every_replica_answers_the_same_whichever_used_a_model_last(replicas: tuple[Service, Service]) -> None:
    one, other = replicas
    assert same(one, other)["model"] == "no model exists"
    assert one.fit("algo", ROWS, model="a")["status"] == "success"
    assert models(one, other) == models(other, one) == ["{'rows': 2, 'picture': \"b'of the fit'\"}"] * 2
    assert other.fit("algo", "x\n1\n2\n3\n", model="b")["status"] == "success"
    assert "'rows': 3" in models(other, one)[1]
    # The model that one replica applies is the last one on both, and its picture that of the apply.
    assert one.apply("algo", ROWS, model="a", text="later")["status"] == "success"
    until(lambda: models(one, other) == models(other, one) == ["{'rows': 2, 'picture': \"b'later'\"}"] * 2)
    assert same(one, other)["model_summary"] == {"rows": 2}
    # A replica that nobody asks writes it nevertheless.
    assert other.apply("algo", ROWS, model="b")["status"] == "success"
    until(lambda: "'rows': 3" in one.summary()["model"])
    one.restart()
    assert one.summary() == other.summary()


def test_a_damaged_memory_of_the_last_model_is_none(replicas: tuple[Service, Service]) -> None:
    one, other = replicas
    assert one.fit("algo", ROWS)["status"] == "success"
    assert one.summary() == other.summary()
    memory = Path(one.home) / "last_used.json"
    for damage in (b"", b"\xff", b"[]", b'{"algorithm":"../x","model":"m","version":1}'):
        memory.write_bytes(damage)
        assert other.summary()["model"] == "no model exists"
    memory.write_bytes(b'{"algorithm":"algo","model":"m","version":1,"description":7}')
    assert "'rows': 2" in other.summary()["model"]
    memory.unlink()
    assert one.apply("algo", ROWS)["status"] == "success"
    assert models(one, other) == ["{'rows': 2, 'picture': \"b'of the fit'\"}"] * 2
