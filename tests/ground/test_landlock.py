"""Files of secrets are kept from notebooks where the kernel can do it, and where not, it is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dltk_runtime import landlock
from dltk_runtime.doctor import local
from dltk_runtime.pool.environment import hidden_paths
from dltk_runtime.settings import Settings

needs_landlock = pytest.mark.skipif(bool(landlock.absence()), reason=landlock.absence())
TRY = """
import os, subprocess, sys
from pathlib import Path
from dltk_runtime import landlock
root, parent = Path(sys.argv[1]), sys.argv[2]
assert landlock.hide([root / "tls", root / "secrets" / "token", root / "no such file"])
def refused(do):
    try:
        do()
    except OSError:
        return
    sys.exit(f"not refused: {do}")
for path in (root / "tls" / "server.key", root / "secrets" / "token", root / "link"):
    refused(path.read_bytes)
refused(lambda: os.readlink(f"/proc/{parent}/fd/0"))  # root may read an environment all the same
refused(lambda: (root / "tls" / "server.key").rename(root / "app" / "moved"))
refused(lambda: os.link(root / "secrets" / "token", root / "app" / "linked"))
assert subprocess.run(["cat", root / "tls" / "server.key"], stderr=subprocess.DEVNULL).returncode == 1
assert (root / "secrets" / "other").read_text() == "other"
(root / "app" / "new").mkdir()
(root / "app" / "new" / "file").write_text("new")
(root / "app" / "new" / "file").rename(root / "app" / "file")
assert (root / "app" / "file").read_text() == "new"
assert Path("/proc/self/environ").read_bytes() and Path("/dev/null").read_bytes() == b""
print("done")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("tls/server.key", "secrets/token", "secrets/other", "app/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name.rpartition("/")[2])
    (tmp_path / "link").symlink_to(tmp_path / "secrets" / "token")
    return tmp_path


@pytest.mark.process
@needs_landlock
def test_hidden_files_cannot_be_read_moved_or_linked_and_all_others_can(root: Path) -> None:
    command = [sys.executable, "-c", TRY, str(root), str(os.getpid())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.process
@needs_landlock
def test_a_command_is_started_without_the_files(root: Path) -> None:
    environ = os.environ | {landlock.VARIABLE: f"{root / 'tls'}:{root / 'secrets' / 'token'}"}
    start = [sys.executable, "-I", "-m", "dltk_runtime.landlock", "cat"]
    for name, code in (("secrets/other", 0), ("secrets/token", 1), ("tls/server.key", 1)):
        assert subprocess.run([*start, root / name], env=environ, capture_output=True, check=False).returncode == code


def test_nothing_to_hide_changes_nothing(tmp_path: Path) -> None:
    assert not landlock.hide([])
    assert not landlock.hide([tmp_path / "no such file"])


def test_the_files_are_those_of_the_secrets_and_the_tls_key(tmp_path: Path) -> None:
    environ = {"api_token_file": "/run/token", "API_SSL_KEY": "/etc/key", "DLTK_HIDDEN": "/a:/b", "DLTK_HOME": "/srv"}
    environ |= {"MY_KEY_FILE": "/run/my", "data_file": "/data", "token": "/no/path"}
    expected = ["/a", "/b", "/run/token", "/etc/key", "/run/my", f"{tmp_path}/tls"]
    assert hidden_paths(Settings(home=tmp_path), environ) == expected
    assert hidden_paths(Settings(home=tmp_path, hide_files=False), environ) == []


@pytest.mark.parametrize(("abi", "absent"), [(0, "has no Landlock"), (1, "too old"), (2, ""), (7, "")])
def test_the_doctor_says_whether_it_is_in_force(
    root: Path, abi: int, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    (finding,) = local.files(Settings(home=root))
    assert (finding.severity == "ok") == (absent == "")
    assert absent in finding.text
    assert str(root / "tls") in finding.text
    if absent:
        assert not landlock.hide([root / "tls"])


CHANGE = """
import os, subprocess, sys
from pathlib import Path
from dltk_runtime import landlock
root = Path(sys.argv[1])
assert landlock.protect([root / "app"])
def refused(do):
    try:
        do()
    except OSError:
        return
    sys.exit(f"not refused: {do}")
assert (root / "app" / "x").read_text() == "x"
refused(lambda: (root / "app" / "x").open("a"))
refused(lambda: (root / "app" / "x").unlink())
refused(lambda: (root / "app" / "new").mkdir())
refused(lambda: (root / "app" / "x").rename(root / "secrets" / "x"))
refused(lambda: (root / "secrets" / "token").rename(root / "app" / "x"))
assert subprocess.run(["rm", root / "app" / "x"], stderr=subprocess.DEVNULL).returncode == 1
(root / "secrets" / "token").write_text("new")
(root / "secrets" / "made").write_text("new")
assert Path("/dev/null").write_text("") == 0
print("done")
"""


@pytest.mark.process
@needs_landlock
def test_protected_files_can_be_read_and_not_changed_and_all_others_can(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHANGE, str(root)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")
