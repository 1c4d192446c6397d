"""Tokens reach notebooks without standing in an environment: a person's in Jupyter, a memory file in a worker."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import DESCRIPTOR, Access, found, of_settings, sealed
from dltk_runtime.tls import certificate
from tests.conftest import MakeNotebook
from tests.splunkd import Splunkd
from tests.support.service import ROOT, Service

SETTINGS = Settings(
    splunk_access=True,
    splunk_host="splunk.example",
    splunk_token="search-token",
    hec=True,
    hec_url="https://splunk.example:8088",
    hec_token="hec-token",
    splunk_cafile=Path("/etc/ca.pem"),
)
SHOW = """
import os, subprocess, sys
from dltk_runtime.splunk.access import found
print(found().token, found().hec_token, found().cafile)
print([name for name, value in os.environ.items() if "-token" in value])
os.set_inheritable(int(os.environ["DLTK_SPLUNK_FD"]), False)  # as a worker does with its descriptors
code = "from dltk_runtime.splunk.access import found; print(repr(found().token))"
subprocess.run([sys.executable, "-c", code], check=True, close_fds=False)
"""


def test_a_person_in_jupyter_has_the_environments_tokens() -> None:
    environ = {"splunk_access_enabled": "1", "splunk_access_host": "h", "splunk_access_token": "t"}
    assert found(environ) == Access(host="h", token="t")
    assert found({**environ, "splunk_access_enabled": "0"}).token == ""
    assert found({}) == Access()


def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("from-file\n")
    environ = {"splunk_hec_enabled": "1", "splunk_hec_url": "u", "splunk_hec_token_file": str(tmp_path / "t")}
    assert found(environ).hec_token == "from-file"


@pytest.mark.process
def test_a_fork_has_the_token_as_the_docs_say() -> None:
    descriptor = sealed(SETTINGS)
    assert descriptor is not None
    code = (
        "import os, sys; from dltk_runtime.splunk.access import found\n"
        "sys.exit(os.waitpid(pid, 0)[1] and 1) if (pid := os.fork()) else os._exit(found().token != 'search-token')"
    )
    environ = os.environ | {DESCRIPTOR: str(descriptor)}
    subprocess.run([sys.executable, "-c", code], env=environ, pass_fds=[descriptor], check=True)
    os.close(descriptor)
    said = {"security.md": "forks of the worker do", "splunk-from-a-notebook.md": "forks of its process"}
    for name, words in said.items():
        (page,) = (ROOT / "docs").rglob(name)
        assert words in page.read_text().replace("\n", " ")


@pytest.mark.process
def test_a_worker_reads_the_memory_file_and_its_children_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("splunk_access_token", "search-token")
    descriptor = sealed(SETTINGS)
    assert descriptor is not None
    environ = worker_environment(SETTINGS, threads=1) | {DESCRIPTOR: str(descriptor)}
    result = subprocess.run(
        [sys.executable, "-c", SHOW], env=environ, pass_fds=[descriptor], capture_output=True, text=True, check=False
    )
    os.close(descriptor)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["search-token hec-token /etc/ca.pem", "[]", "''"]


@pytest.mark.process
def test_nobody_can_change_what_other_workers_read() -> None:
    descriptor = sealed(SETTINGS)
    assert descriptor is not None
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"{}", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    with pytest.raises(PermissionError):
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    assert found({DESCRIPTOR: str(descriptor)}) == of_settings(SETTINGS)
    os.close(descriptor)


def test_another_file_of_that_number_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"token": "planted"}')
    with (tmp_path / "f").open() as file:
        assert found({DESCRIPTOR: str(file.fileno())}) == Access()
    assert found({DESCRIPTOR: "999"}) == Access()


def test_without_a_token_there_is_no_memory_file() -> None:
    assert sealed(Settings()) is None
    assert sealed(Settings(splunk_access=False, splunk_token="t")) is None


def test_tokens_are_not_shown() -> None:
    assert "-token" not in repr(of_settings(SETTINGS))


@pytest.mark.process
def test_a_notebook_in_the_service_searches_and_its_environment_holds_no_token(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook(
        "asks",
        apply="""
            def apply(model, df, param):
                import os, subprocess, sys
                from dsdlsupport import SplunkHEC, SplunkSearch
                rows = SplunkSearch.SplunkSearch().search("| makeresults count=3")
                SplunkHEC.SplunkHEC().send_hello_world()
                code = "from dltk_runtime.splunk.access import found; print(found().token == '')"
                child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, close_fds=False)
                secrets = [name for name in os.environ if "token" in name]
                return pd.DataFrame({"rows": [len(rows)], "child": [child.stdout.strip()], "secrets": [str(secrets)]})
        """,
    )
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with Splunkd(certificate=pair) as splunkd, Service(paths.home, paths.notebooks, **splunkd.variables) as service:
        for answer in (service.fit("asks", "a\n1\n"), service.apply("asks", "a\n1\n")):
            assert answer["status"] == "success", answer
            assert answer["results"].splitlines()[1] == "3,True,[]"
        assert splunkd.token not in service.log.read_text()
