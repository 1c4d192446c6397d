"""The requests of a worker in this process: a row-wise notebook is fitted, loaded, and applied for several at once."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Door, Form, Payload
from dltk_runtime.worker.door import Visit
from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.handler import Handler
from dltk_runtime.worker.messages import Apply, ApplyTogether, Fit, Fitted, Load
from dltk_runtime.worker.read_ahead import AheadReader
from tests.conftest import MakeNotebook

pytestmark = pytest.mark.usefixtures("finder")
IMPORT = "import pandas as pd\nMODEL_DIRECTORY = '/srv/app/model/data/'\nrow_wise = True"
CELLS = {
    "import": IMPORT,
    "init": "class Model:\n    calls = 0\n\ndef init(df, param):\n    return Model()",
    "fit": "def fit(model, df, param):\n    return {}",
    "save": None,
    "load": None,
    "apply": """
        def apply(model, df, param):
            model.calls += 1
            param.pop("options")
            return df[["x"]] * 2
    """,
    "summary": "def summary(model=None):\n    return {'calls': getattr(model, 'calls', 0)}",
}
ROWS = "x\n" + "".join(f"{number}\n" for number in range(40))
META = json.dumps({"options": {"params": {"algo": "algo"}}, "feature_variables": ["x"]}).encode()
MakeHandler = Callable[[], Handler]


@pytest.fixture
def handler(paths: Paths, make_notebook: MakeNotebook, finder: CodeFinder) -> MakeHandler:
    finder.remove()
    make_notebook("algo", **CELLS)
    return lambda: Handler(paths, lambda _: None, AheadReader())


@pytest.fixture
def fitted(handler: MakeHandler, tmp_path: Path) -> tuple[Fitted, Load]:
    folder = tmp_path / "version"
    folder.mkdir()
    fit = Fit("algo", "algo_m", str(folder), str(folder / "kept.pickle"), META)
    made, _ = handler().fit(fit, Payload(ROWS.encode(), escaped=False))
    (folder / "code.json").write_bytes(made.code)
    load = Load(
        "algo",
        "algo_m",
        code=str(folder / "code.json"),
        kept_model=fit.kept_model,
        features=made.features,
        outputs=made.outputs,
        row_wise=made.row_wise,
    )
    return made, load


def together(*rows: str, refuse: bool = False) -> ApplyTogether:
    return ApplyTogether(Apply(META, refuse_missing=refuse), tuple(each.encode() for each in rows), escaped=False)


def summary_of(handler: Handler) -> object:
    return json.loads(handler.describe().description)["model_summary"]


def test_a_fit_checks_what_the_notebook_says_and_describes_its_model_before(fitted: tuple[Fitted, Load]) -> None:
    made, _ = fitted
    assert made.notices == ()
    assert made.row_wise
    assert json.loads(made.description)["model_summary"] == {"calls": 1}  # its own apply, and none of the check


def test_requests_together_are_one_call(handler: MakeHandler, fitted: tuple[Fitted, Load]) -> None:
    worker = handler()
    assert worker.load(fitted[1]).row_wise
    answer = worker.apply_together(together("x\n1\n", "x\n2\n3\n"))
    assert answer.results == (b'"x\\n2\\n"', b'"x\\n4\\n6\\n"')
    assert summary_of(worker) == {"calls": 1}
    worker.count()
    assert worker.counted == 3


def test_code_that_no_fit_has_checked_gets_each_request_by_itself(
    handler: MakeHandler, fitted: tuple[Fitted, Load], make_notebook: MakeNotebook
) -> None:
    sums = "def apply(model, df, param):\n    return df[['x']].cumsum()"
    make_notebook("algo", **(CELLS | {"apply": sums}))
    worker = handler()
    assert not worker.load(fitted[1]).row_wise
    assert worker.apply_together(together("x\n1\n", "x\n2\n")).results == (b'"x\\n1\\n"', b'"x\\n2\\n"')
    pinned = handler()
    load = Load(**({name: getattr(fitted[1], name) for name in fitted[1].__struct_fields__} | {"pinned": True}))
    assert pinned.load(load).row_wise


def test_a_version_whose_code_cannot_be_read_is_not_row_wise(handler: MakeHandler, fitted: tuple[Fitted, Load]) -> None:
    Path(fitted[1].code).write_bytes(b"{")
    assert not handler().load(fitted[1]).row_wise


def test_a_request_that_is_refused_leaves_the_model_to_be_described(
    handler: MakeHandler, fitted: tuple[Fitted, Load]
) -> None:
    worker = handler()
    worker.load(fitted[1])
    with pytest.raises(PhaseFailed, match="lacks the field 'x'"):
        worker.apply(Apply(META, refuse_missing=True), Payload(b"y\n1\n", escaped=False))
    assert summary_of(worker) == {"calls": 0}
    worker.apply(Apply(META), Payload(b"x\n1\n", escaped=False))
    worker.apply_together(together("y\n1\n", "y\n2\n", refuse=True))
    assert summary_of(worker) == {"calls": 1}


def test_the_rows_of_a_client_of_another_door_are_not_held_after_their_answer(
    handler: MakeHandler, fitted: tuple[Fitted, Load], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list[weakref.ref[pd.DataFrame]]()
    read = Visit.of

    def noted(door: Door, sent: Payload) -> Visit:
        visit = read(door, sent)
        frames.append(weakref.ref(visit.sheet.frame))
        return visit

    monkeypatch.setattr(Visit, "of", noted)
    worker = handler()
    worker.load(fitted[1])
    door = Door(Form.CSV, Form.CSV, ("x",), 1000)
    worker.apply(Apply(META, door=door), Payload(b"x\n1\n", escaped=False))
    worker.count()
    gc.collect()
    assert [each() for each in frames] == [None]
