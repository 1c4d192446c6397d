"""The example for KServe: settings that the server knows, probes that it answers, and no secret."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dltk_runtime.settings import VARIABLES
from tests.support.service import ROOT

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
EXAMPLE = ROOT / "deploy" / "kserve" / "inference-service.yaml"


def container() -> dict[str, Any]:
    service = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    (found,) = service["spec"]["predictor"]["containers"]
    return dict(found)


def test_its_variables_are_settings() -> None:
    variables = {each["name"]: each.get("value", "from a secret") for each in container()["env"]}
    assert variables.keys() <= {each.name for each in VARIABLES.values()}
    assert variables["api_token"] == "from a secret"


def test_its_probes_are_the_protocols() -> None:
    paths = [container()[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")]
    assert paths == ["/v2/health/ready", "/v2/health/live"]


def test_its_volume_is_the_home() -> None:
    assert [each["mountPath"] for each in container()["volumeMounts"]] == ["/srv"]


@pytest.mark.process
@pytest.mark.skipif(not PYTHON.exists(), reason="no clients: make clients")
def test_kserves_own_models_know_every_field() -> None:
    command = [PYTHON, Path(__file__).parent / "known_fields.py", EXAMPLE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "every field is known\n"), done.stderr
