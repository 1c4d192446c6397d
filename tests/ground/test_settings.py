"""The environment is read once, cast once, and a value that cannot be used is named; secrets are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime import settings as module
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.paths import SITE
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.settings import CLIENT_VARIABLES, VARIABLES, ClientSettings, Settings, code_location, worker_paths
from dltk_runtime.units import GIB, MIB

ALL = {**VARIABLES, **{f"client_{name}": variable for name, variable in CLIENT_VARIABLES.items()}}
SECRETS = [variable.name for variable in ALL.values() if variable.secret]
TYPED = [variable for variable in ALL.values() if variable.wanted not in ("text", "a path", "an address")]


def read(**environ: str) -> Settings:
    return Settings.from_env(environ)


# ---------------------------------------------------------------- values


def test_with_an_empty_environment_everything_has_its_default() -> None:
    assert read() == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_env(dict.fromkeys((variable.name for variable in VARIABLES.values()), "")) == Settings()


def test_an_option_goes_before_its_variable() -> None:
    environ = {"DLTK_PORT": "1", "DLTK_HOST": "::1"}
    read = Settings.from_env(environ, port=0, host=None)
    assert (read.port, read.host) == (0, "::1")


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("api_token", "s3cret", "api_token", "s3cret"),
        ("api_workers", "3", "api_workers", 3),
        ("api_workers", "auto", "api_workers", max(module.cores() - 1, 1)),
        ("ENABLE_HTTPS", "true", "https", True),
        ("ENABLE_HTTPS", "False", "https", False),
        ("ENABLE_HTTPS", " 0 ", "https", False),
        ("API_SSL_CERT", "/a/b.crt", "tls_cert", Path("/a/b.crt")),
        ("API_SSL_KEY", "b.key", "tls_key", Path.cwd() / "b.key"),
        ("splunk_access_enabled", "1", "splunk_access", True),
        ("splunk_access_host", "splunk", "splunk_host", "splunk"),
        ("splunk_access_port", "18089", "splunk_port", 18089),
        ("splunk_access_token", "jwt", "splunk_token", "jwt"),
        ("splunk_hec_enabled", "1", "hec", True),
        ("splunk_hec_url", "https://x:8088", "hec_url", "https://x:8088"),
        ("splunk_hec_token", "hec", "hec_token", "hec"),
        ("DLTK_HOME", "~/home", "home", Path.home() / "home"),
        ("DLTK_NOTEBOOKS", "nb", "notebooks", Path.cwd() / "nb"),
        ("DLTK_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("DLTK_PORT", "0", "port", 0),
        ("DLTK_MAX_BODY", "2048", "max_body", 2048),
        ("DLTK_MAX_BODY", "512M", "max_body", 512 * MIB),
        ("DLTK_MAX_BODY", "1.5 GiB", "max_body", GIB * 3 // 2),
        ("DLTK_MAX_BODY", "4kb", "max_body", 4096),
        ("DLTK_APPLY_WORKERS", "0", "apply_workers", 0),
        ("DLTK_FIT_WORKERS", "2", "fit_workers", 2),
        ("DLTK_MAX_WAITING", "0", "max_waiting", 0),
        ("DLTK_APPLY_TIMEOUT", "0.5", "apply_timeout", 0.5),
        ("DLTK_FIT_TIMEOUT", "1e3", "fit_timeout", 1000.0),
        ("DLTK_WORKER_MEMORY", "4G", "worker_memory", 4 * GIB),
        ("DLTK_APPLY_THREADS", "2", "apply_threads", 2),
        ("DLTK_FIT_THREADS", "0", "fit_threads", 0),
        ("DLTK_SPARES", "0", "spares", 0),
        ("DLTK_KEEP_VERSIONS", "1", "keep_versions", 1),
        ("DLTK_KEEP_JOBS", "10", "keep_jobs", 10),
        ("DLTK_LOG_BYTES", "64K", "log_bytes", 64 * 1024),
        ("DLTK_TEXT", "String", "text", "string"),
    ],
)
def test_a_variable_is_cast(variable: str, text: str, name: str, value: Any) -> None:
    found = getattr(read(**{variable: text}), name)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(0, 2**50), st.sampled_from(["", "K", "M", "G"]), st.sampled_from(["", "B", "iB"]))
def test_a_size_may_have_a_unit(number: int, factor: str, ending: str) -> None:
    size = number * {"": 1, "K": 1024, "M": MIB, "G": GIB}[factor]
    assert read(DLTK_MAX_BODY=f"{number}{factor}{ending}").max_body == size


# ---------------------------------------------------------------- what cannot be used


@pytest.mark.parametrize("variable", TYPED, ids=lambda variable: variable.name)
def test_a_value_of_the_wrong_type_is_named_with_variable_and_wanted_type(variable: module.Variable) -> None:
    reader = ClientSettings if variable in CLIENT_VARIABLES.values() else Settings
    with pytest.raises(SettingInvalid) as caught:
        reader.from_env({variable.name: "neither this nor that\t"})
    shown = "***" if variable.secret else r"neither this nor that\t"
    assert caught.value.sentence == f"Invalid {variable.name}='{shown}': expected {variable.wanted}."


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("api_workers", text) for text in ("0", "-1", "1.5", "two")),
        *(("ENABLE_HTTPS", text) for text in ("2", "on", "tru")),
        *(("DLTK_PORT", text) for text in ("-1", "5000x")),
        *(("DLTK_MAX_BODY", text) for text in ("-1", "1T", "M", "nan", "inf", "1e99", "1 2")),
        *(("DLTK_APPLY_TIMEOUT", text) for text in ("0", "-1", "nan", "inf", "10s")),
        *(("DLTK_KEEP_VERSIONS", text) for text in ("0", "")[:1]),
        *(("DLTK_DRAIN", text) for text in ("-1", "nan", "inf", "3s")),
        *(("DLTK_LOG_LEVEL", text) for text in ("loud", "0")),
        *(("DLTK_TEXT", text) for text in ("str", "bytes")),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(variable: str, text: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^Invalid {variable}='{text}': expected"):
        read(**{variable: text})


# ---------------------------------------------------------------- secrets


def test_every_variable_that_holds_a_secret_is_marked() -> None:
    looks_secret = {variable.name for variable in ALL.values() if "token" in variable.name.lower()}
    assert looks_secret - {"DLTK_TOKENS_FILE"} <= set(SECRETS)  # a path, to a file of hashes


def test_secrets_are_in_no_representation() -> None:
    environ = {"api_token": "s3cret1", "splunk_access_token": "s3cret2", "splunk_hec_token": "s3cret3"}
    assert "s3cret" not in repr(Settings.from_env(environ)) + repr(ClientSettings.from_env(environ))
    assert "s3cret" not in str(Settings.from_env(environ))


def test_an_error_about_a_secret_does_not_repeat_it() -> None:
    with pytest.raises(SettingInvalid) as caught:
        ClientSettings.from_env({"DLTK_TOKEN": "s3cret with blanks"})
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in f"{error} {error!r}"
        error = error.__cause__


@pytest.mark.parametrize("variable", ["api_token", "splunk_access_token", "splunk_hec_token"])
def test_a_secret_may_lie_in_a_file(tmp_path: Path, variable: str) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    found = read(**{f"{variable}_file": str(file)})
    assert "s3cret" in (found.api_token, found.splunk_token, found.hec_token)
    assert read(**{f"{variable}_file": str(file), variable: "nearer"}) == read(**{variable: "nearer"})


def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    for file in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        with pytest.raises(SettingInvalid, match=r"^Invalid api_token_file='.*': expected a file that can"):
            read(api_token_file=str(file))


def test_only_secrets_can_lie_in_files(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("1")
    assert read(DLTK_PORT_file=str(file)).port == Settings().port


# ---------------------------------------------------------------- what follows from them


@pytest.mark.parametrize("variable", ["api_token", "DLTK_ADMIN_TOKEN", "api_token_file", "DLTK_ADMIN_TOKEN_file"])
def test_a_token_that_is_only_compared_may_be_a_hash(variable: str, tmp_path: Path) -> None:
    digest = "sha256:" + "0123456789ABCDEF" * 4
    (tmp_path / "token").write_text(digest + "\n")
    found = read(**{variable: str(tmp_path / "token") if variable.endswith("_file") else digest})
    assert digest.lower() in (found.api_token, found.admin_token)
    with pytest.raises(SettingInvalid, match="sha256: and 64 hexadecimal digits"):
        read(api_token=digest[:-1])


def test_a_client_says_that_a_hash_cannot_be_sent() -> None:
    with pytest.raises(SettingInvalid, match=r"^Invalid DLTK_TOKEN='\*\*\*': expected the token itself.*not its hash"):
        ClientSettings.from_env({"api_token": "sha256:" + "0" * 64})


def test_the_token_of_a_client_is_the_containers_own_unless_it_has_one() -> None:
    assert ClientSettings.from_env({"api_token": "a"}).token == "a"
    assert ClientSettings.from_env({"api_token": "a", "DLTK_TOKEN": "b"}).token == "b"
    assert ClientSettings.from_env({"api_token": "a", "DLTK_TOKEN": "b"}, token="c").token == "c"


def test_paths_are_absolute() -> None:
    assert all(path.is_absolute() for path in (Settings().paths.home, Settings().paths.notebooks))


def test_a_worker_gets_no_secret_but_its_folders_and_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leaks = [*SECRETS, "api_token_file", "SPLUNK_ACCESS_TOKEN", "JUPYTER_PASSWD", "AWS_SECRET_ACCESS_KEY", "llm_config"]
    leaks += ["OTEL_EXPORTER_OTLP_HEADERS"]
    for name in leaks:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("HARMLESS", "stays")
    environ = worker_environment(Settings(home=tmp_path, notebooks=tmp_path / "nb"), threads=3)
    assert "s3cret" not in environ.values()
    assert (environ["HARMLESS"], environ["OMP_NUM_THREADS"], environ["MPLBACKEND"]) == ("stays", "3", "Agg")
    assert worker_paths(environ) == Settings(home=tmp_path, notebooks=tmp_path / "nb").paths
    assert environ["PYTHONPATH"].split(os.pathsep)[0] == str(SITE)


def test_a_workers_children_know_the_version_whose_code_they_run(tmp_path: Path) -> None:
    environ = {"DLTK_HOME": str(tmp_path), "DLTK_NOTEBOOKS": str(tmp_path)}
    assert code_location(environ) == (worker_paths(environ), None)
    assert code_location(environ | {"DLTK_CODE": "/v/code.json"})[1] == Path("/v/code.json")


def test_secrets_of_notebooks_are_read_with_the_settings_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    environ = {"DLTK_NOTEBOOK_SECRETS": "A_TOKEN, B_KEY,C_KEY", "A_TOKEN": "one", "B_KEY_file": str(tmp_path / "key")}
    found = Settings.from_env(environ)
    assert found.notebook_secrets == ("A_TOKEN", "B_KEY", "C_KEY")
    assert dict(found.notebook_values) == {"A_TOKEN": "one", "B_KEY": "from-file"}
    assert "from-file" not in repr(found)


@pytest.mark.parametrize("names", ["api_token", "A,JUPYTER_PASSWD", "a b", "A=1", "DLTK_ADMIN_TOKEN"])
def test_the_servers_own_secrets_are_no_notebooks(names: str) -> None:
    with pytest.raises(SettingInvalid, match="DLTK_NOTEBOOK_SECRETS"):
        Settings.from_env({"DLTK_NOTEBOOK_SECRETS": names})


# ---------------------------------------------------------------- for logs


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DLTK_APLY_WORKERS", "DLTK_APPLY_WORKERS"),
        ("DLTK_KEEP_VERSION", "DLTK_KEEP_VERSIONS"),
        ("dltk_grace", "DLTK_GRACE"),
        ("DLTK_ADMIN_TOKEN_FILE", "DLTK_ADMIN_TOKEN_file"),
        ("DLTK_SOMETHING_ELSE_ENTIRELY", ""),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest(name: str, nearest: str) -> None:
    assert module.unknown_variables({name: "1", "HOME": "/"}) == {name: nearest}


def test_what_is_a_setting_or_set_by_platforms_is_not_misspelt() -> None:
    known = {"DLTK_ADMIN_TOKEN_file": "f", "DLTK_URL": "u", "DLTK_TOKEN_file": "f", "DLTK_CODE": "c", "DLTK_GRACE": "1"}
    links = ["DLTK_SERVICE_HOST", "DLTK_SERVICE_PORT_API", "DLTK_PORT_5000_TCP", "DLTK_PORT_5000_TCP_ADDR"]
    assert module.unknown_variables(known | dict.fromkeys(links, "x")) == {}


def test_the_settings_for_a_log_hold_no_secret() -> None:
    secrets = {each.name: f"planted-{each.name}" for each in module.VARIABLES.values() if each.secret}
    secrets["JUPYTER_PASSWD"] = "sha1:abcdef:012345"
    url = "https://user:planted-password@splunk:8088"
    shown = Settings.from_env(secrets | {"splunk_hec_url": url, "DLTK_PRELOAD": "a/b,c/d"}).shown()
    assert set(shown) == {each.name for each in module.VARIABLES.values()}
    assert all(shown[name] == "***" for name in secrets)
    assert "planted" not in str(shown)
    assert (shown["splunk_hec_url"], shown["DLTK_PRELOAD"]) == ("***", "a/b,c/d")
    assert Settings().shown()["api_token"] == ""


@pytest.mark.parametrize("address", ["s3://key:made-up@bucket/folder", "az://account/container?sig=made-up"])
def test_a_refused_address_with_a_password_is_not_shown(address: str) -> None:
    with pytest.raises(SettingInvalid, match=r"^Invalid DLTK_STORE='\*\*\*': expected s3://") as caught:
        Settings.from_env({"DLTK_STORE": address})
    assert "made-up" not in caught.value.sentence
