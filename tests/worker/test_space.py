"""A full disk is told with the bytes that are free, in whatever words the library that met it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dltk_runtime.worker import space
from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.phase import Phases


def saved(folder: Path, save: Callable[[], object]) -> str:
    """Return the sentence with which a save fails."""
    with pytest.raises(PhaseFailed) as caught, space.saving_to(folder):
        Phases(lambda _: None, str).call("save", save)
    return caught.value.report.sentence


def numpys() -> None:
    np.zeros(100_000).tofile("/dev/full")


def pythons() -> None:
    with open("/dev/full", "w") as file:
        file.write("x")


def torchs() -> None:
    raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")


@pytest.mark.parametrize(("save", "text"), [(numpys, "requested and"), (pythons, "No space left on device")])
def test_a_save_to_a_full_disk_names_the_free_bytes(tmp_path: Path, save: Callable[[], object], text: str) -> None:
    sentence = saved(tmp_path, save)
    assert sentence.startswith("OSError: ")
    assert text in sentence
    assert sentence.endswith(f" bytes are free in {tmp_path}")


def test_any_failure_on_a_disk_without_space_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "free" not in saved(tmp_path, torchs)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert saved(tmp_path, torchs).endswith(f"file write failed; 4,096 bytes are free in {tmp_path}")


def test_other_failures_stay_as_they_are(tmp_path: Path) -> None:
    sentence = saved(tmp_path, Path("/nowhere/at/all").stat)
    assert sentence.startswith("FileNotFoundError: ")
    assert "free" not in sentence
