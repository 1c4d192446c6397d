"""A feature is one struct everywhere, and its JSON in manifests stays what older runtimes wrote."""

from __future__ import annotations

import msgspec
import pytest

from dltk_runtime.store.manifest import Facts
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import Load

NUMBERS = Baseline(counts=[0, 1, 2, 0], edges=[1.0, 3.0], mean=2.5)
BASELINE = b'{"counts":[0,1,2,0],"edges":[1.0,3.0],"categories":[],"complete":false,"mean":2.5}'
WRITTEN = [
    (Feature("host", "text"), b'{"name":"host","kind":"text","baseline":null}'),
    (Feature("size", "number", NUMBERS), b'{"name":"size","kind":"number","baseline":%s}' % BASELINE),
]


@pytest.mark.parametrize(("feature", "text"), WRITTEN)
def test_its_json_is_the_one_in_manifests(feature: Feature, text: bytes) -> None:
    assert msgspec.json.encode(feature) == text
    facts = msgspec.json.decode(b'{"features":[' + text + b"]}", type=Facts)
    assert facts.features == [feature]


def test_a_manifest_without_baselines_loads() -> None:
    facts = msgspec.json.decode(b'{"features":[{"name":"a","kind":"int64"}]}', type=Facts)
    assert facts.features == [Feature("a", "int64")]


def test_it_travels_to_a_worker_as_it_is() -> None:
    message = Load(algorithm="a", load_name="a_m", features=tuple(feature for feature, _ in WRITTEN))
    assert channel.TO_WORKER.decode(msgspec.msgpack.encode(message)) == message
