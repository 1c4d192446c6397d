"""Promise 3, never the wrong model: what apply answers follows from the request, the version and the code."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service

pytestmark = pytest.mark.process

CLIENTS = 8
APPLIES = 2000
FITS = 12
ALGORITHMS = ("one", "two")
MODELS = ("a", "b")
OFTEN = (33, 33, 33, 1)  # percent; the last model is asked for seldom, and has to make room for itself each time

# The model remembers whose it is and how many rows it was fitted on; a global tries to lead it astray.
FIT = """
    WHO = None

    def fit(model, df, param):
        global WHO
        WHO = param["options"]["model_name"]
        model["who"] = param["options"]["params"]["algo"] + " " + WHO
        model["rows"] = len(df)
"""
APPLY = """
    def apply(model, df, param):
        global WHO
        WHO = WHO or param["options"]["model_name"]
        asked = param["options"]["model_name"]
        return pd.DataFrame({"who": model["who"], "who_else": WHO, "rows": model["rows"], "x": df["x"] + len(asked)})
"""


@pytest.mark.timeout(900)
def test_promise_3_2000_applies_between_fits_are_all_answered_by_the_model_they_asked_for(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    for algorithm in ALGORITHMS:
        make_notebook(algorithm, fit=FIT, apply=APPLY)
    pairs = list(itertools.product(ALGORITHMS, MODELS))
    rows = dict.fromkeys(pairs, 1)  # of the newest fit that has answered
    started = dict(rows)  # of the newest fit that has begun
    lock = threading.Lock()
    with Service(paths.home, paths.notebooks, DLTK_APPLY_WORKERS="3") as service:
        for algorithm, model in pairs:
            assert service.fit(algorithm, "x\n1\n", model=model)["status"] == "success"

        def fit(number: int) -> None:
            algorithm, model = pairs[number % len(pairs)]
            with lock:
                started[algorithm, model] += 1
                wanted = started[algorithm, model]
            answer = service.fit(algorithm, "x\n" + "1\n" * wanted, model=model)
            assert answer["status"] == "success", answer
            with lock:
                rows[algorithm, model] = max(rows[algorithm, model], wanted)

        def apply(number: int) -> str:
            # Seeded: the order of requests is the same in every run, their interleaving is not.
            algorithm, model = random.Random(number).choices(pairs, OFTEN)[0]
            before = rows[algorithm, model]
            answer = service.apply(algorithm, f"x\n{number}\n", model=model)
            assert answer["status"] == "success", answer
            who, who_else, fitted, x = answer["results"].splitlines()[1].split(",")
            after = started[algorithm, model]
            right = (who, who_else, x) == (f"{algorithm} {model}", model, str(number + len(model)))
            return "" if right and before <= int(fitted) <= after else f"{algorithm} {model}: {answer['results']}"

        with ThreadPoolExecutor(CLIENTS) as clients, ThreadPoolExecutor(1) as fitter:
            fits = [fitter.submit(fit, number) for number in range(FITS)]
            wrong = [text for text in clients.map(apply, range(APPLIES)) if text]
            for each in fits:
                each.result()
    assert wrong == []
