"""Which rows an asynchronous fit keeps, also one whose server ended after the commit and before the promotion."""

from __future__ import annotations

import pytest

from dltk_runtime.call import Request
from dltk_runtime.fit.dispatch import Dispatcher
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from tests.conftest import MakeNotebook
from tests.support.service import meta_for

ROWS = "x,y\n1,2\n"


async def always(*_: object) -> bool:
    return True


@pytest.fixture
def dispatcher(paths: Paths, make_notebook: MakeNotebook) -> Dispatcher:
    make_notebook("algo")
    return Dispatcher(
        settings=Settings(home=paths.home, notebooks=paths.notebooks, holdout=0.2),
        jobs=JobStore(paths, keep=10, log_bytes=0),
        store=ModelStore.open(paths, keep=5),
        has_room=always,
        may_begin=always,
        is_here=lambda _: True,
        begin=lambda _: None,
        finish=lambda *_: None,
    )


@pytest.mark.parametrize(
    ("target", "given", "kept"),
    [("y", {}, 0.2), ("", {}, 0.0), ("y", {"holdout": "0.5"}, 0.5), ("y", {"holdout": "0"}, 0)],
)
def test_the_setting_is_the_share_of_each_fit_with_a_target_and_a_search_overrides_it(
    dispatcher: Dispatcher, target: str, given: dict[str, str], kept: float
) -> None:
    params = {"algo": "algo", "promote": "better:r2"} | given
    request = Request.of(Payload(ROWS.encode(), escaped=False), meta_for(ROWS, "m", params, target))
    job, submission = dispatcher.jobs.create(ModelName("algo", "m"), params), Submission.of(request, "")
    assert dispatcher._training(job, submission).options.holdout == kept
    assert dispatcher._finishing(job, submission).options.holdout == kept
