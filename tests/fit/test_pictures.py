"""Pictures belong to versions: those of a candidate that is not promoted do not replace what dashboards show."""

from __future__ import annotations

import pytest

from tests.support.service import Service

# A picture by the helper, one by a path of the notebook; each is the number of rows.
IMPORT = """
    import json
    import pandas as pd
    from dsdlsupport import SplunkGenerateGraphicsObjects as Graphics
    MODEL_DIRECTORY = "/srv/app/model/data/"
    FOLDER = "/srv/app/graphics/"
    class Plot:
        def __init__(self, text):
            self.text = text
        def savefig(self, file, format):
            file.write(self.text.encode())
"""
FIT = """
    def fit(model, df, param):
        Graphics.SplunkGenerateGraphicsObjects(model, f"helper_{param['options']['model_name']}", Plot(str(len(df))))
        model["path"] = str(model["graphics"].popitem()[1]["container_local_path"])
        model["rows"] = len(df)
        with open(f"/srv/app/graphics/own_{param['options']['model_name']}.png", "w") as file:
            file.write(str(len(df)))
"""
pytestmark = pytest.mark.server(notebooks={"algo": {"import": IMPORT, "fit": FIT}})


def shown(service: Service, model: str) -> list[str]:
    return [service.send(f"/graphics/{kind}_{model}.png", None).decode() for kind in ("helper", "own")]


def fit(service: Service, number: int, model: str, **params: str) -> None:
    answer = service.fit("algo", "x\n" + "1\n" * number, model=model, **params)
    assert answer["status"] == "success", answer


def test_a_candidate_changes_no_picture_until_it_is_promoted(service: Service) -> None:
    fit(service, 3, "kept")
    assert shown(service, "kept") == ["3", "3"]
    fit(service, 4, "kept", promote="manual")
    assert shown(service, "kept") == ["3", "3"]
    service.send("/v1/models/algo/kept/promote/2", b"")
    assert shown(service, "kept") == ["4", "4"]
    service.send("/v1/models/algo/kept/rollback", b"")
    assert shown(service, "kept") == ["3", "3"]


def test_pictures_are_no_part_of_the_model(service: Service) -> None:
    fit(service, 3, "part")
    folder = service.home / "app" / "model" / "data" / "versions" / "algo" / "part" / "1"
    assert "png" not in (folder / "version.json").read_text()
    assert str(service.home / "app" / "graphics" / "helper_part.png") in (folder / "algo_part.json").read_text()
    (folder / "pictures" / "own_part.png").unlink()
    assert service.apply("algo", "x\n1\n", model="part")["status"] == "success"
