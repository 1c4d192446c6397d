"""Two models for every door: one of numbers, iris, and one of texts; with what Splunk's apply says of them."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.datasets import load_iris  # type: ignore[import-untyped]

from tests.support.service import Service

IMPORT = """
import json
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
MODEL_DIRECTORY = "/srv/app/model/data/"
"""
IO = {
    "import": IMPORT,
    "save": "def save(model, name):\n    joblib.dump(model, MODEL_DIRECTORY + name + '.joblib')\n    return model",
    "load": "def load(name):\n    return joblib.load(MODEL_DIRECTORY + name + '.joblib')",
}
IRIS = IO | {
    "init": "def init(df, param):\n    return {'model': LogisticRegression(max_iter=500)}",
    "fit": """
def fit(model, df, param):
    model["model"].fit(df[param["feature_variables"]], df[param["target_variables"][0]])
""",
    "apply": """
def apply(model, df, param):
    known = model["model"]
    values = known.predict_proba(df[param["feature_variables"]])
    found = pd.DataFrame(values, columns=["p_" + name for name in known.classes_])
    found.insert(0, "species", known.classes_[values.argmax(axis=1)])
    wanted = param["options"]["params"].get("rounded")
    return found if wanted is None else found.round(int(wanted))
""",
}
TEXT = IO | {
    "init": """
def init(df, param):
    return {"model": make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 2)), LogisticRegression())}
""",
    "fit": "def fit(model, df, param):\n    model['model'].fit(df['text'], df['label'])",
    "apply": """
def apply(model, df, param):
    known = model["model"]
    return pd.DataFrame({"label": known.predict(df["text"]), "p": known.predict_proba(df["text"])[:, 0]})
""",
}
NOTEBOOKS = {"iris": IRIS, "words of it": TEXT}
FIELDS = ["sepal length", "sepal width", "petal length", "petal width"]
FLOWERS: pd.DataFrame = load_iris(as_frame=True).data.set_axis(FIELDS, axis=1)
SPECIES = pd.Series(["setosa", "versicolor", "virginica"]).repeat(50).tolist()
WORDS = pd.DataFrame({"text": ["größer, “als”", "kleiner", 'say "yes"', "a,b", "größte\nder", "klein"] * 5})
LABELS = ["big", "small", "other", "other", "big", "small"] * 5
IRIS_FIT = ("iris", FLOWERS.assign(species=SPECIES).to_csv(index=False), "m", "species")
TEXT_FIT = ("words of it", WORDS.assign(label=LABELS).to_csv(index=False), "m", "label")
FITS = [IRIS_FIT, TEXT_FIT]


def splunks(service: Service, algorithm: str, rows: pd.DataFrame) -> pd.DataFrame:
    """What Splunk's apply answers, with every float as it was written."""
    answer = service.apply(algorithm, rows.to_csv(index=False))
    assert answer["status"] == "success", answer["message"]
    found = pd.read_csv(io.StringIO(answer["results"]), dtype=str)
    return found.apply(lambda column: column.map(float) if column.name.startswith("p") else column.astype(object))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    service: Service, method: str, path: str, body: bytes | None = None, token: str | None = None, **headers: str
) -> Answer:
    """Send one request; an underscore in the name of a header is a dash."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given["Authorization"] = f"Bearer {service.token if token is None else token}"
    request = urllib.request.Request(service.url + path, data=body, method=method, headers=given)
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())
