"""Pipes, links and endless files in the place of ours, which any notebook can make: they hold up and mislead nobody.

The server may read and write more than a notebook: files of tokens, the key of its certificate.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dltk_runtime.access.actor import NOBODY
from dltk_runtime.errors import DltkError, NotStored
from dltk_runtime.files import clock, state
from dltk_runtime.jobs import output
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.splunk.spool import Spool
from dltk_runtime.store import drawn
from dltk_runtime.store.deeds import What
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from tests.store.helpers import NAME, commit, promoted

OTHER = ModelName("umap", "other")
WAIT_SECONDS = 20.0


def ends(work: Callable[[], object], pipe: Path) -> None:
    """Do the work in a thread; it fails the test if it waits for the pipe."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    waits = thread.is_alive()
    if waits:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # lets it go
    assert not waits, f"it waits for {pipe}"


def replaced(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def grown(path: Path) -> Path:
    """Let a file have a terabyte, none of which is on the disk."""
    path.touch()
    os.truncate(path, 2**40)
    return path


HOW = pytest.mark.parametrize("how", [replaced, grown], ids=["a pipe", "a terabyte"])


@pytest.mark.parametrize(
    "file", ["current", "promoted", "history", "2/version.json", "2/notices", "2/later", "2/card.json"]
)
@HOW
def test_one_in_a_models_folder_holds_up_no_list_and_no_choice(
    how: Callable[[Path], Path], file: str, paths: Paths
) -> None:
    store = ModelStore.open(paths, keep=5)
    promoted(store)
    folder = promoted(store).folder.parent
    promoted(store, OTHER)
    pipe = how(folder / file)
    listed: list[str] = []

    def look() -> None:
        fresh = ModelStore.open(paths, keep=5)
        listed.extend(view.model for view in LocalModels(fresh).list())
        fresh.counts(), fresh.damaged_lines(), fresh.models(), fresh.algorithm_of("other", [])
        fresh.histories(10, lambda _: True), list(fresh.problems(NAME)), fresh.serving_or_0(NAME)

    ends(look, pipe)
    assert listed == ["default", "other"]


@pytest.mark.parametrize("file", ["job.json", "log", "metrics.jsonl"])
@HOW
def test_one_in_a_jobs_folder_holds_up_no_list(how: Callable[[Path], Path], file: str, paths: Paths) -> None:
    jobs = JobStore(paths, keep=10, log_bytes=100)
    bad, good = jobs.create(NAME, {}), jobs.create(OTHER, {})
    pipe = how(paths.jobs / bad.id / file)
    listed: list[str] = []

    def look() -> None:
        listed.extend(each.id for each in JobStore(paths, keep=10, log_bytes=100).list())
        for read in (jobs.get, jobs.log, jobs.metrics, lambda job: output.add_metrics(paths.jobs / job, 1, {"a": 1.0})):
            with contextlib.suppress(OSError, DltkError):
                read(bad.id)

    ends(look, pipe)
    assert good.id in listed


def test_one_in_the_place_of_the_clock_or_of_a_notebook_is_not_waited_for(tmp_path: Path) -> None:
    pipe = replaced(tmp_path / clock.CLOCK)
    ends(lambda: clock.now(tmp_path), pipe)
    ends(lambda: state.read(pipe), pipe)


SECRET = b"a-token-that-notebooks-may-not-read\nin-two-lines"


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A file that is not a notebook's to read or to write; it stays as it is."""
    folder = tmp_path / "tls"
    folder.mkdir()
    file = folder / "server.png"
    file.write_bytes(SECRET)
    yield file
    assert (file.read_bytes(), list(folder.iterdir())) == (SECRET, [file])


def linked(path: Path, to: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(to)


@pytest.mark.parametrize("kept_back", [False, True])
def test_no_link_among_the_pictures_of_a_version_is_shown_to_everybody(
    paths: Paths, secret: Path, kept_back: bool
) -> None:
    """``GET /graphics/`` needs no token."""
    store = ModelStore.open(paths, keep=5)
    with store.reserve(NAME) as reserved:
        pictures = Path(reserved.location.pictures)
        (pictures / "more").mkdir(parents=True)
        (pictures / "good.png").write_bytes(b"a picture")
        (pictures / "more" / "good.svg").write_bytes(b"another")
        (pictures / "server.key").write_bytes(b"no picture")
        (pictures / "file.png").symlink_to(secret)
        (pictures / "folder").symlink_to(secret.parent)
        version = reserved.commit(Facts(), b"[]", b"{}")
    store.promote_if_first(version) if kept_back else store.promote(version)
    shown = {str(path.relative_to(paths.graphics)): path for path in paths.graphics.rglob("*") if path.is_file()}
    assert sorted(shown) == ["good.png", "more/good.svg"]
    assert shown["good.png"].read_bytes() == b"a picture"


def test_a_link_in_the_place_of_the_folder_of_pictures_is_not_followed(paths: Paths, secret: Path) -> None:
    store = ModelStore.open(paths, keep=5)
    version = commit(store)
    Path(version.location().pictures).symlink_to(secret.parent)
    store.promote(version)
    assert not list(paths.graphics.rglob("*.png"))


@pytest.mark.parametrize("file", ["promoted", "history", "current", "1/notices", "1/later", "1/version.json"])
def test_a_link_in_a_models_folder_is_neither_read_nor_written(paths: Paths, secret: Path, file: str) -> None:
    store = ModelStore.open(paths, keep=5)
    version = promoted(store)
    linked(version.folder.parent / file, secret)
    fresh = ModelStore.open(paths, keep=5)
    for work in (
        lambda: fresh.note(version, "A notice."),
        lambda: fresh.record(NAME, What.PROMOTED, NOBODY, 1),
        lambda: fresh.promote(version),
        lambda: fresh.rollback(NAME),
    ):
        with contextlib.suppress(DltkError):
            work()
    assert SECRET.split()[0].decode() not in str(LocalModels(fresh).list())


def test_a_link_in_the_place_of_a_log_is_neither_read_nor_written(paths: Paths, secret: Path) -> None:
    jobs = JobStore(paths, keep=10, log_bytes=100)
    job = jobs.submit(NAME, {}, Submission({}, Payload(b"x\n1\n", escaped=False), "f" * 64)).id
    linked(paths.jobs / job / "log", secret)
    with contextlib.suppress(OSError):
        if (adopted := jobs.adopt(job)) is not None:
            adopted.write(b"a line of a notebook\n")
    with contextlib.suppress(DltkError):
        assert SECRET.split()[0].decode() not in jobs.log(job)
    running = jobs.create(OTHER, {})
    running.write(b"x" * 300_000)  # it is shortened: another file has its name afterwards
    linked(paths.jobs / running.id / "metrics.jsonl", secret)
    running.progress(1, 2, {"a": 1.0})


def test_a_link_that_takes_the_place_of_a_picture_after_the_look_is_not_sent(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook can change it a thousand times a second."""
    monkeypatch.setattr(drawn, "kind_of", lambda _: "image/png")  # it was a file when that was asked
    linked(tmp_path / "a.png", secret)
    replaced(tmp_path / "b.png")
    assert (drawn.opened(tmp_path / "a.png"), drawn.opened(tmp_path / "b.png")) == (None, None)
    (tmp_path / "c.png").write_bytes(b"a picture")
    found = drawn.opened(tmp_path / "c.png")
    assert found is not None
    linked(tmp_path / "c.png", secret)
    with found[0] as file:
        assert file.read() == b"a picture"


def test_a_log_of_a_terabyte_begins_anew(tmp_path: Path) -> None:
    log = output.JobLog(grown(tmp_path / "log"), 1000)
    log.write(b"a line\n" * 100_000)
    log.close()
    assert (tmp_path / "log").stat().st_size < 2000


@pytest.mark.parametrize("make", [replaced, grown, lambda path: linked(path, Path("/dev/zero")) or path])
def test_a_state_of_what_is_no_code_is_no_longer_true(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """The event loop asks, and workers name the paths."""
    path = make(tmp_path / "file")
    ends(lambda: state.FileState(str(path), state.stamp_of(path), "0" * 64).still_true(), path)


def test_a_link_in_the_place_of_events_is_neither_sent_nor_changed(tmp_path: Path, secret: Path) -> None:
    spool = Spool.create(tmp_path / "events")
    spool.put(b'{"event": 1}\n')
    (segment,) = spool.folder.glob("*.jsonl")
    linked(segment, secret)
    assert spool.peek(10) == []
    os.close(spool._lock_file)  # as its process ends
    linked(spool.folder / segment.name, secret)
    for left in Spool.left_behind(tmp_path / "events"):
        assert left.peek(10) == []


def test_a_link_that_a_notebook_saves_is_refused_and_not_hashed(paths: Paths, secret: Path) -> None:
    """No worker would load it: what is behind it is not the version's."""
    store = ModelStore.open(paths, keep=5)
    with store.reserve(NAME) as reserved:
        Path(reserved.location.folder, "umap_default.json").symlink_to(secret)
        with pytest.raises(NotStored, match=r"saved a link and not the file itself .*umap_default\.json"):
            reserved.commit(Facts(), b"[]", b"{}")
    assert store.models() == []
