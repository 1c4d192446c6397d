"""Promise 7, saved means live: the next call runs the code on disk, and broken code stops no apply."""

from __future__ import annotations

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service

ROWS = "x\n1\n2\n"
BROKEN = """
    def apply(model, df, param):
        return df[
"""


def answering(text: str) -> str:
    """An `apply` cell whose answer is `text`."""
    return f'def apply(model, df, param):\n    return pd.DataFrame({{"answer": ["{text}"] * len(df)}})'


pytestmark = pytest.mark.server(own=True)


def test_an_edited_notebook_answers_at_the_next_call(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo", apply=answering("old"))
    service.fit("algo", ROWS)
    assert service.apply("algo", ROWS)["results"] == "answer\nold\nold\n"
    make_notebook("algo", apply=answering("new"))
    assert service.apply("algo", ROWS)["results"] == "answer\nnew\nnew\n"
    assert service.fit("algo", ROWS)["results"] == "answer\nnew\nnew\n"


def test_after_another_algorithm_was_used_the_edited_one_is_not_stale(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook("a", apply=answering("old"))
    make_notebook("b", apply=answering("b"))
    for algorithm in ("a", "b"):
        service.fit(algorithm, ROWS)
    make_notebook("a", apply=answering("new"))
    assert service.apply("b", ROWS)["results"] == "answer\nb\nb\n"
    assert service.apply("a", ROWS)["results"] == "answer\nnew\nnew\n"


def test_an_edited_helper_answers_at_the_next_call(service: Service, make_notebook: MakeNotebook, paths: Paths) -> None:
    helper = paths.helpers / "words.py"
    helper.write_text('WORD = "old"\n')
    using = "from app.model import words\n" + answering("{}").replace('"{}"', "words.WORD")
    make_notebook("algo", apply=using)
    service.fit("algo", ROWS)
    assert service.apply("algo", ROWS)["results"] == "answer\nold\nold\n"
    helper.write_text('WORD = "new"\n')
    assert service.apply("algo", ROWS)["results"] == "answer\nnew\nnew\n"


def test_a_helper_that_appears_and_shadows_another_is_live(
    service: Service, make_notebook: MakeNotebook, paths: Paths
) -> None:
    (paths.modules / "words.py").write_text('WORD = "of the old volume"\n')
    make_notebook("algo", apply="from app.model import words\n" + answering("{}").replace('"{}"', "words.WORD"))
    service.fit("algo", ROWS)
    assert service.apply("algo", ROWS)["results"] == "answer\nof the old volume\nof the old volume\n"
    (paths.helpers / "words.py").write_text('WORD = "beside the notebook"\n')
    assert service.apply("algo", ROWS)["results"] == "answer\nbeside the notebook\nbeside the notebook\n"


def test_a_fit_with_broken_code_says_why_and_where(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo", apply=BROKEN)
    answer = service.fit("algo", ROWS)
    assert answer["status"] == "error"
    assert answer["message"].startswith("/fit: ERROR: unable to load algo code from module")
    assert "algo.ipynb, cell 4 (mltkc_apply), line 2" in answer["message"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"apply": BROKEN}, id="syntax"),
        pytest.param({"import": "import no_such_library"}, id="import"),
        pytest.param({"apply": None}, id="no apply"),
        pytest.param({"load": "def load(name):\n    raise OSError('gone')"}, id="load raises"),
    ],
)
def test_apply_goes_on_with_the_code_of_the_version_before_and_after_a_restart(
    service: Service, make_notebook: MakeNotebook, broken: dict[str, str | None]
) -> None:
    make_notebook("algo", apply=answering("kept"))
    service.fit("algo", ROWS)
    make_notebook("algo", **broken)
    answers = [service.apply("algo", ROWS), service.apply("algo", ROWS)]
    service.restart()
    answers.append(service.apply("algo", ROWS))
    assert {answer["results"] for answer in answers} == {"answer\nkept\nkept\n"}
    assert len({answer["message"] for answer in answers}) == 1
    assert "the code kept in version 1 was used" in answers[0]["message"]
    assert "algo.ipynb" in answers[0]["message"]


def test_a_mended_notebook_is_live_again(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo", apply=answering("kept"))
    service.fit("algo", ROWS)
    make_notebook("algo", apply=BROKEN)
    assert "version 1 was used" in service.apply("algo", ROWS)["message"]
    make_notebook("algo", apply=answering("mended"))
    answer = service.apply("algo", ROWS)
    assert (answer["results"], answer["message"]) == ("answer\nmended\nmended\n", "/apply done successfully")


def test_apply_goes_on_when_the_notebook_is_gone(service: Service, make_notebook: MakeNotebook) -> None:
    path = make_notebook("algo", apply=answering("kept"))
    service.fit("algo", ROWS)
    path.unlink()
    answer = service.apply("algo", ROWS)
    assert answer["results"] == "answer\nkept\nkept\n"
    assert "No notebook 'algo'" in answer["message"]
