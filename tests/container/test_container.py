"""The image before the server starts: libraries of the volume, and the list of services."""

from __future__ import annotations

import hashlib
import os
import runpy
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime import handover, setting_types
from dltk_runtime.settings import Settings
from tests.support.service import ROOT

CONTAINER = ROOT / "container"
WHEEL = "colours-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def libraries() -> Any:
    return runpy.run_path(str(CONTAINER / "libraries.py"))["installed"]


@pytest.fixture(scope="module")
def start() -> dict[str, Any]:
    return runpy.run_path(str(CONTAINER / "start.py"))


@pytest.fixture(scope="module")
def services(start: dict[str, Any]) -> Any:
    return start["services"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Create a volume whose requirements.txt names a library on disk, and an image's lock."""
    wheel = tmp_path / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("colours.py", "RED = 1\n")
        archive.writestr("colours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
        archive.writestr(
            "colours-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("colours-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements.txt").write_text(f"--no-index\n{wheel}\n")
    (tmp_path / "lock.txt").write_text("numpy==2.4.6\n")
    return tmp_path


def install(libraries: Any, volume: Path, said: list[str]) -> Path | None:
    found = libraries(volume / "requirements.txt", volume / "libraries", said.append, volume / "lock.txt")
    assert found is None or isinstance(found, Path)
    return found


@pytest.mark.process
def test_a_library_is_installed_once_beside_the_images_own(libraries: Any, volume: Path) -> None:
    said: list[str] = []
    folder = install(libraries, volume, said)
    assert folder
    assert (folder / "colours.py").exists()
    assert not (folder / "pip").exists()
    assert said[-1].endswith("requirements.txt: installed: colours-1.0")
    assert install(libraries, volume, said) == folder
    assert said[-1].endswith("already installed by an earlier start")
    assert [path.name for path in (volume / "libraries").iterdir()] == [folder.name]


@pytest.mark.process
def test_what_cannot_be_installed_leaves_the_last_libraries_in_use(libraries: Any, volume: Path) -> None:
    said: list[str] = []
    folder = install(libraries, volume, said)
    (volume / "requirements.txt").write_text("--no-index\nno-such-library\n")
    assert install(libraries, volume, said) == folder
    assert "not installed: ERROR: Could not find a version" in said[-1]
    assert f"Notebooks use the libraries of the last successful installation ({folder})" in said[-1]


@pytest.mark.process
def test_the_first_that_cannot_be_installed_stops_nothing(libraries: Any, volume: Path) -> None:
    said: list[str] = []
    (volume / "requirements.txt").write_text("--no-index\nno-such-library\n")
    assert install(libraries, volume, said) is None
    assert "everything else works" in said[-1]


@pytest.mark.process
def test_the_versions_of_the_image_are_kept(libraries: Any, volume: Path) -> None:
    said: list[str] = []
    (volume / "requirements.txt").write_text("--no-index\nnumpy==1.26.4\n")
    assert install(libraries, volume, said) is None
    assert "numpy" in said[-1]


PASSWORD = "sha256:ab:cd"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["api"]),
        (Settings(jupyter_password=PASSWORD), ["api"]),
        (Settings(mode="DEV", jupyter_password=PASSWORD), ["api", "jupyter", "tensorboard", "mlflow"]),
        (Settings(mode="DEV"), ["api"]),
        (Settings(mode="DEV", open_tools=True), ["api", "tensorboard", "mlflow"]),
    ],
    ids=["PROD", "PROD with a password", "DEV", "DEV without a password", "DEV without a password, tools open"],
)
def test_jupyterlab_never_starts_without_a_password_nor_tools_that_nobody_could_reach(
    services: Any, settings: Settings, expected: list[str]
) -> None:
    assert services(settings) == expected


def test_jupyterlab_never_starts_with_the_password_that_splunks_apps_send_by_default(
    start: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = hashlib.sha256(PASSWORD.encode()).hexdigest()[:8]
    monkeypatch.setitem(start["is_public"].__globals__, "PUBLIC_PASSWORD_SHA256", known)
    assert start["services"](Settings(mode="DEV", jupyter_password=PASSWORD)) == ["api"]
    assert "printed in public documentation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "host"), [("", "127.0.0.1"), ("no", "127.0.0.1"), ("yes", "0.0.0.0"), ("T", "0.0.0.0")]
)
def test_tensorboard_and_mlflow_listen_where_the_setting_says(
    start: dict[str, Any],
    launch: dict[str, Any],
    value: str,
    host: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    settings = Settings.from_env({"DLTK_OPEN_TOOLS": value})
    assert start["tools_environment"](settings) == {"DLTK_TOOLS_HOST": host}
    for tool in ("tensorboard", "mlflow"):
        command = launch["commands"](FOLDERS | {"DLTK_TOOLS_HOST": host})[tool]
        assert command[command.index("--host") + 1] == host
        environ = {"DLTK_HOME": str(tmp_path), "DLTK_NOTEBOOKS": str(tmp_path), "DLTK_TOOLS_HOST": host}
        given = {"MLFLOW_SERVER_ALLOWED_HOSTS": "mine.example"}
        for variables, known in ((environ, "*"), (environ | given, "mine.example")):
            launch["prepare_tool"](tool, variables)
            loopback = host == "127.0.0.1"
            assert variables.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS") == ("*" if loopback else None)
            assert variables.get("MLFLOW_SERVER_ALLOWED_HOSTS") == (known if loopback or known != "*" else None)


def test_fits_are_runs_of_the_containers_own_mlflow_unless_another_one_is_set(
    start: dict[str, Any], launch: dict[str, Any]
) -> None:
    tracking = start["tracking_environment"]
    command = launch["commands"](FOLDERS)["mlflow"]
    own = f"http://{command[command.index('--host') + 1]}:{command[command.index('--port') + 1]}"
    assert tracking(["api", "jupyter", "mlflow"], Settings()) == {"MLFLOW_TRACKING_URI": own}
    assert tracking(["api"], Settings()) == {}
    assert tracking(["api", "mlflow"], Settings(tracking_uri="http://mlflow.example:5000")) == {}


def test_an_image_without_jupyterlab_starts_the_api_alone(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert services(Settings(mode="DEV", jupyter_password=PASSWORD)) == ["api"]


def test_jupyterlab_does_not_start_with_a_password_that_is_published(
    services: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert setting_types.PUBLISHED_HASHES == ("8bd001ab",)
    known = hashlib.sha256(PASSWORD.encode()).hexdigest()[:8]
    monkeypatch.setattr(setting_types, "PUBLISHED_HASHES", (known,))
    assert services(Settings(mode="DEV", jupyter_password=PASSWORD, https=True)) == ["api"]
    assert "a default that is publicly known; choose another" in capsys.readouterr().out


@pytest.mark.parametrize(("https", "said"), [(True, False), (False, True), (None, True)])
def test_jupyterlab_without_tls_listens_on_the_loopback_address_and_it_is_said(
    services: Any, https: bool | None, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "jupyter" in services(Settings(mode="DEV", jupyter_password=PASSWORD, https=https))
    assert ("JupyterLab listens on 127.0.0.1 alone" in capsys.readouterr().out) == said


SERVICES = ("api", "jupyter", "tensorboard", "mlflow")
FOLDERS = {"DLTK_HOME": "/srv", "DLTK_NOTEBOOKS": "/srv/notebooks"}


@pytest.fixture(scope="module")
def launch() -> dict[str, Any]:
    return runpy.run_path(str(CONTAINER / "launch.py"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_program_that_can_be_started(launch: dict[str, Any], service: str) -> None:
    """Notebooks can read nothing of it, and it imports nothing that they write."""
    program = CONTAINER / "services" / service / "run"
    assert program.stat().st_mode & 0o111
    assert program.read_text().startswith("#!/opt/dltk/bin/python3-sealed -I\n")
    assert f'["main"]("{service}")' in program.read_text()
    assert launch["commands"](FOLDERS)[service][1:3] == ["-I", "-m"]


def test_jupyterlab_is_handed_the_secrets_that_notebooks_may_have(start: dict[str, Any]) -> None:
    secrets = {"api_token": "a", "HF_TOKEN": "b", "DB_PASSWORD_file": "/run/db", "OTHER_TOKEN": "c"}
    handed = start["handed"](["api", "jupyter"], secrets, ("HF_TOKEN", "DB_PASSWORD"))["DLTK_HANDED"]
    files = dict(pair.split("=") for pair in handed.split(","))
    found = handover.take({handover.DESCRIPTOR: files["jupyter"]})
    assert found == {"HF_TOKEN": "b", "DB_PASSWORD_file": "/run/db"}
    assert handover.take({handover.DESCRIPTOR: files["api"]}) == secrets
    for descriptor in files.values():
        os.close(int(descriptor))


def test_only_jupyterlab_and_the_api_are_handed_secrets(launch: dict[str, Any]) -> None:
    handed = {service: os.open("/dev/null", os.O_RDONLY) for service in ("api", "jupyter")}
    environ = {"DLTK_HANDED": ",".join(f"{service}={number}" for service, number in handed.items())}
    assert launch["own_secrets"]("api", environ) == {"DLTK_SECRETS_FD": str(handed["api"])}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handed["jupyter"])
    os.close(handed["api"])


@pytest.mark.parametrize("tool", ["tensorboard", "mlflow"])
def test_programs_that_a_tool_starts_import_nothing_from_the_volume(
    launch: dict[str, Any], tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "nice", lambda _: 0)
    environ = {"DLTK_HOME": str(tmp_path), "DLTK_NOTEBOOKS": str(tmp_path), "PYTHONPATH": "x", "DLTK_LIBRARIES": "y"}
    launch["prepare_tool"](tool, environ)
    assert not {"PYTHONPATH", "DLTK_LIBRARIES"} & set(environ)
    assert environ["PYTHONSAFEPATH"] == environ["PYTHONNOUSERSITE"] == "1"


def test_a_packages_build_code_sees_no_secret_but_those_of_pip() -> None:
    installers = runpy.run_path(str(CONTAINER / "libraries.py"))["installers_environment"]
    index = "https://user:password@packages.example/simple"
    environ = {"api_token": "x", "PIP_INDEX_URL": index, "PATH": "/bin", "DATABASE_URL": "pg://u:p@h/x"}
    assert installers(environ) == {"PIP_INDEX_URL": index, "PATH": "/bin"}
