"""The compat image: DSDL's versions of the libraries, and notebooks in their idiom that fit and apply."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import Start
from engine import ROOT, Engine

NOTEBOOKS = ROOT / "tests" / "data" / "compat"
VERSIONS = """
import json, keras, numpy, pandas, sklearn
print(json.dumps([each.__version__ for each in (keras, numpy, pandas, sklearn)]))
"""
LOCKED = ("keras", "numpy", "pandas", "scikit-learn")
ROWS = range(40)
# Each with its rows. pandas 3 refuses the first two.
HOURS = "hour,a\n" + "".join(f"2026-01-{1 + row // 24:02d} {row % 24:02d}:00:00,{row * 7 % 40}.5\n" for row in ROWS)
GRADES = "a,b,grade\n" + "".join(f"{row * 7 % 40}.5,{row % 5 * 2.5},{'good' if row % 4 else 'bad'}\n" for row in ROWS)
NUMBERS = "a,b,y\n" + "".join(f"{row * 7 % 40}.5,{row % 5 * 2.5},{row * 2 + 1}\n" for row in ROWS)


@pytest.fixture(scope="module")
def compat_image(podman: Engine) -> Iterator[str]:
    """Build the image, which runs `pip check`. It is removed after the tests, as it is large."""
    tag = podman.build("compat", "compat", "--layers=false")
    yield tag
    podman.podman("rmi", "--force", tag)


def test_it_has_the_versions_of_its_lock(podman: Engine, compat_image: str) -> None:
    size = int(podman.podman("image", "inspect", "--format", "{{.Size}}", compat_image).stdout)
    print(f"compat image: {size / 1000**3:.1f} GB")
    (line,) = podman.inside(compat_image, f"/opt/dltk/bin/python3 -c '{VERSIONS}' 2>/dev/null")
    lines = (ROOT / "locks" / "compat.txt").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if "==" in line)
    assert json.loads(line) == [locked[name] for name in LOCKED]


@pytest.mark.parametrize(
    ("algorithm", "rows", "target"),
    [("hourly_asfreq", HOURS, ""), ("class_replace", GRADES, ""), ("legacy_keras", NUMBERS, "y")],
)
def test_a_notebook_in_their_idiom_is_fitted_and_applied(
    start: Start, compat_image: str, volume: str, algorithm: str, rows: str, target: str
) -> None:
    container = start(compat_image, volume=volume, memory="6g")
    print(f"ready after {container.ready():.2f} s")
    container.copy_in(NOTEBOOKS / f"{algorithm}.ipynb", f"/srv/notebooks/{algorithm}.ipynb")
    fitted = container.fit(algorithm, rows, target=target)
    applied = container.apply(algorithm, rows)
    assert (fitted["status"], applied["status"]) == ("success", "success"), [fitted["message"], applied["message"]]
    assert applied["results"] == fitted["results"]
    assert len(applied["results"].splitlines()) == len(rows.splitlines())
