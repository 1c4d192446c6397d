"""One list decides which variables are secret; everything that starts a process asks it."""

from __future__ import annotations

import pytest

from dltk_runtime.secret_names import (
    is_secret_variable,
    secret_variables,
    variables_without_secrets,
)
from dltk_runtime.settings import CLIENT_VARIABLES, VARIABLES

SETTINGS = [*VARIABLES.values(), *CLIENT_VARIABLES.values()]
PRIVATE_PATHS = {"API_SSL_KEY", "DLTK_TOKENS_FILE"}  # no secret itself, and nothing that a notebook needs


def test_a_list_of_names_is_no_secret() -> None:
    assert variables_without_secrets({"DLTK_NOTEBOOK_SECRETS": "HF_TOKEN"}) == {"DLTK_NOTEBOOK_SECRETS": "HF_TOKEN"}


def test_the_list_has_each_secret_setting_and_no_other() -> None:
    listed = {each.name for each in SETTINGS if is_secret_variable(each.name, "")}
    assert listed == {each.name for each in SETTINGS if each.secret} | PRIVATE_PATHS
    assert all(is_secret_variable(f"{each.name}_file", "/run/x") for each in SETTINGS if each.secret)


@pytest.mark.parametrize(
    "value",
    [
        "http://user:password@proxy:3128",
        "user:password@proxy.example:3128",
        "https://token@packages.example/simple",
        "https://one.example https://user:password@two.example/simple",
        "postgresql+psycopg2://user:p/w@db.example/x",
        "redis://:password@cache:6379/0",
        "user:password@tcp(db:3306)/x",
        "Server=db;Uid=user;Pwd=x",
        "host=db user=me password=x",
        '{"user": "me", "password": "x"}',
        "{'passwd': 'x'}",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=x==",
        "Endpoint=sb://a.example/;SharedAccessKeyName=a;SharedAccessKey=x",
        "https://a.example/container?sv=1&sig=x",
        "https://a.example/hook?token=x",
        "-----BEGIN RSA PRIVATE KEY-----\nx",
        "Authorization=Bearer 0123456789",
        "-Djavax.net.ssl.keyStorePassword=x",
        "aws_secret_access_key=x",
    ],
)
def test_a_value_with_a_password_is_secret_whatever_its_name(value: str) -> None:
    assert is_secret_variable("DATABASE", value)
    assert variables_without_secrets({"DATABASE": value, "X": "1"}) == {"X": "1"}
    assert secret_variables({"DATABASE": value, "X": "1"}) == {"DATABASE": value}


@pytest.mark.parametrize(
    "value",
    [
        "http://proxy:3128",
        "\\u@\\h:\\w$ ",
        "*.tar=01;31:*.zip=01;31",
        "https://a.example/?signature_version=4&page=2",
        "-----BEGIN CERTIFICATE-----",
        "the bearer of this",
        "keyboard=us;monkey: 1",
        "localhost,127.0.0.1,.example",
        "/usr/local/opt/python@3.11/bin:/bin",
        "ssh://git@example.org/x.git",
        "file:///srv/mlruns",
        "me@example.org",
        "sqlite:////srv/mlflow/mlflow.db",
    ],
)
def test_other_values_are_not(value: str) -> None:
    assert not is_secret_variable("PLACE", value)
