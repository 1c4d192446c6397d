"""Bounds of a token: GPU seconds of a day and disk, of what is on the volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dltk_runtime.access import file
from dltk_runtime.access.errors import BoundReached
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.access.named import NamedTokens
from dltk_runtime.fit.bounds import KEPT_DAYS, TokenBounds
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.paths import Paths
from dltk_runtime.store.manifest import Facts
from dltk_runtime.store.store import ModelStore
from tests.store.helpers import commit

NAME = "trainer"


def bounds(tmp_path: Path, **given: Any) -> TokenBounds:
    path = tmp_path / "tokens.json"
    file.add(path, TokenEntry(name=NAME, values=[], rights=[Right.FIT], **given))
    paths = Paths(tmp_path / "home", tmp_path / "notebooks")
    return TokenBounds(NamedTokens(path), ModelStore.open(paths, keep=5), paths.usage)


def record(owner: str = NAME, state: State = State.QUEUED, *, asynchronous: bool = True, job: str = "1") -> JobRecord:
    made = {"id": job, "algorithm": "a", "model": "m", "state": state, "created": "2026-01-31T08:00:00Z"}
    return msgspec.convert(made | {"owner": owner, "asynchronous": asynchronous}, JobRecord)


def test_a_token_without_bounds_has_none(tmp_path: Path) -> None:
    made = bounds(tmp_path)
    assert not made.apply_to(NAME)
    made.check(NAME, [record()] * 100, queued=False, on_gpu=True)


def test_seconds_on_gpus_count_for_a_day_and_for_their_token(tmp_path: Path) -> None:
    made = bounds(tmp_path, gpu_seconds=60)
    made.held_gpu(record(), 59.5)
    made.held_gpu(record("another"), 100)
    made.check(NAME, [], queued=True, on_gpu=True)
    assert made.may_begin(record(), [], on_gpu=True)
    made.held_gpu(record(), 1)
    made.check(NAME, [], queued=True, on_gpu=False)
    with pytest.raises(BoundReached, match=r"'gpu_seconds' of the token 'trainer'.*held GPUs for 60 s, and 60 s are"):
        made.check(NAME, [], queued=True, on_gpu=True)
    assert not made.may_begin(record(), [], on_gpu=True)
    assert made.may_begin(record(), [], on_gpu=False)


def test_seconds_of_the_day_before_count_no_more_and_stay_for_the_report(tmp_path: Path) -> None:
    made = bounds(tmp_path, gpu_seconds=60)
    made.held_gpu(record(), 60)
    with pytest.raises(BoundReached):
        made.check(NAME, [], queued=True, on_gpu=True)
    yesterday = made._file(0).rename(made._file(1))
    made.check(NAME, [], queued=True, on_gpu=True)
    assert made.may_begin(record(), [], on_gpu=True)
    made.held_gpu(record(), 5)
    assert (made.gpu_seconds(NAME), yesterday.exists()) == (5, True)


def test_a_torn_line_and_old_days_do_no_harm(tmp_path: Path) -> None:
    made = bounds(tmp_path, gpu_seconds=60)
    made.held_gpu(record(), 30)
    today = next(made.usage.iterdir())
    old = made._file(KEPT_DAYS + 1)
    old.write_bytes(today.read_bytes())
    with today.open("ab") as end:
        end.write(b"00000000 {")
    made.held_gpu(record(), 12)
    assert made.gpu_seconds(NAME) == 42
    assert not old.exists()


def test_fits_at_once_count_those_of_searches_and_those_that_run(tmp_path: Path) -> None:
    made = bounds(tmp_path, fits=2, queue=2)
    waits, runs, search = record(), record(state=State.RUNNING, job="2"), record(asynchronous=False, job="3")
    made.check(NAME, [waits, waits, runs], queued=False, on_gpu=False)
    with pytest.raises(BoundReached, match="'fits' of the token 'trainer'"):
        made.check(NAME, [runs, search], queued=False, on_gpu=False)
    assert made.may_begin(waits, [waits, runs], on_gpu=False)
    assert not made.may_begin(waits, [waits, runs, search], on_gpu=False)
    with pytest.raises(BoundReached, match="'queue' of the token 'trainer'"):
        made.check(NAME, [waits, record(job="4"), runs], queued=True, on_gpu=False)


def test_the_disk_of_a_token_is_that_of_its_versions(tmp_path: Path) -> None:
    made = bounds(tmp_path, disk=1)
    made.check(NAME, [], queued=False, on_gpu=False)
    commit(made.store, facts=Facts(owner="another"))
    made.check(NAME, [], queued=False, on_gpu=False)
    commit(made.store, facts=Facts(owner=NAME))
    with pytest.raises(BoundReached, match="'disk' of the token 'trainer'"):
        made.check(NAME, [], queued=False, on_gpu=False)
