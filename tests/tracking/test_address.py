"""Who gets the credentials of the tracking server: the helper process, and notebooks only where they are listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.settings import Settings
from dltk_runtime.tracking.address import Address, helper_environment, hidden_files

PASSWORD = "hunter2-of-mlflow"
WITH_PASSWORD = f"https://somebody:{PASSWORD}@mlflow.example/base"


def address(**variables: str) -> Address:
    found = Address.of(Settings.from_env(variables))
    assert found is not None
    return found


def test_without_an_address_there_is_no_tracking() -> None:
    assert Address.of(Settings.from_env({"MLFLOW_TRACKING_TOKEN": "secret"})) is None


@pytest.mark.parametrize(
    ("variables", "listed"),
    [
        ({"MLFLOW_TRACKING_URI": "http://mlflow.example:5000"}, True),
        ({"MLFLOW_TRACKING_URI": WITH_PASSWORD}, False),
        ({"MLFLOW_TRACKING_URI": WITH_PASSWORD, "DLTK_NOTEBOOK_SECRETS": "MLFLOW_TRACKING_URI"}, True),
        ({"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_TRACKING_TOKEN": "t"}, False),
        ({"MLFLOW_TRACKING_URI": "http://a", "MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, False),
        (
            {
                "MLFLOW_TRACKING_URI": "http://a",
                "MLFLOW_TRACKING_TOKEN": "t",
                "DLTK_NOTEBOOK_SECRETS": "HF_TOKEN,MLFLOW_TRACKING_TOKEN",
            },
            True,
        ),
    ],
)
def test_a_fits_process_gets_the_address_where_every_secret_of_it_is_listed(
    variables: dict[str, str], listed: bool
) -> None:
    assert address(**variables).listed is listed


def test_texts_of_the_client_and_settings_show_no_password() -> None:
    said = f"ConnectionError: API request to {WITH_PASSWORD}/api/2.0 failed, user somebody, {PASSWORD}"
    shown = address(MLFLOW_TRACKING_URI=WITH_PASSWORD).scrubber().text(said)
    assert PASSWORD not in shown
    assert "mlflow.example" in shown
    assert PASSWORD not in repr(address(MLFLOW_TRACKING_URI=WITH_PASSWORD))
    assert PASSWORD not in str(Settings.from_env({"MLFLOW_TRACKING_URI": WITH_PASSWORD}).shown())


def test_the_helpers_environment_has_no_secret() -> None:
    environ = {
        "MLFLOW_TRACKING_URI": WITH_PASSWORD,
        "api_token": "t",
        "PATH": "/bin",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    }
    given = helper_environment(environ)
    assert {"MLFLOW_TRACKING_URI", "api_token"}.isdisjoint(given)
    assert (given["PATH"], given["MLFLOW_HTTP_REQUEST_TIMEOUT"]) == ("/bin", "3")


def test_the_helper_is_kept_from_the_files_that_notebooks_are_kept_from_but_those_of_mlflow(tmp_path: Path) -> None:
    environ = {
        "api_token_file": "/run/api",
        "DLTK_TOKENS_FILE": "/run/tokens",
        "MLFLOW_TRACKING_PASSWORD_file": "/run/mlflow",
        "DLTK_HIDDEN": "/run/image",
    }
    settings = Settings(home=tmp_path, tracking_uri="https://mlflow.example")
    hidden = hidden_files(settings, environ)
    assert {"/run/api", "/run/tokens", "/run/image", str(tmp_path / "tls")} <= set(hidden)
    assert "/run/mlflow" not in hidden
    assert hidden_files(Settings(home=tmp_path, tracking_uri="file:///srv/mlruns"), environ) == []
