"""What notebooks can write beside their runs: nothing in it leads to other files."""

from __future__ import annotations

import os
from pathlib import Path

from dltk_runtime.tracking.place import drop_links


def test_links_and_pipes_are_removed_and_files_stay(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    root = tmp_path / "mlruns"
    (root / "run" / "artifacts").mkdir(parents=True)
    (root / "run" / "meta.yaml").write_text("{}")
    (root / "run" / "artifacts" / "token").symlink_to(secret)
    (root / "run" / "params").symlink_to(tmp_path, target_is_directory=True)
    (root / "gone").symlink_to(tmp_path / "none")
    os.mkfifo(root / "pipe")
    drop_links(root)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) == [
        "run",
        "run/artifacts",
        "run/meta.yaml",
    ]
    assert secret.read_text() == "s"


def test_a_folder_that_became_a_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "artifacts"
    root.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    drop_links(root)
    assert not root.exists()
    assert (tmp_path / "elsewhere").is_dir()
    drop_links(tmp_path / "none")
