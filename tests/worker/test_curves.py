"""What fits report is where TensorBoard finds it; nothing about it can end a fit."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from dltk_runtime.worker.curves import MAX_FOLDERS, Curves


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads in a folder: steps and values by name."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.iterdir()):
        reader = PyRecordReader_New(str(file))  # compares checksums
        with contextlib.suppress(OutOfRangeError):  # the end
            while True:
                reader.GetNext()
                event = Event.FromString(reader.record())
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tensorboard_reads_what_a_fit_reported(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "algorithm" / "model" / "3")
    curves.add(1, {"loss": 0.5, "accuracy": 0.25})
    curves.add(2, {"loss": 0.125})
    curves.close()
    assert scalars(tmp_path / "algorithm" / "model" / "3") == {"loss": [(1, 0.5), (2, 0.125)], "accuracy": [(1, 0.25)]}


def test_a_fit_without_metrics_leaves_no_folder(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "m" / "1")
    curves.add(1, {})
    curves.close()
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_folders_of_a_model_are_removed_and_others_stay(tmp_path: Path) -> None:
    for number in range(1, MAX_FOLDERS + 3):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "mine").mkdir()
    curves = Curves(tmp_path / str(MAX_FOLDERS + 3))
    curves.add(1, {"loss": 1.0})
    curves.close()
    kept = [str(number) for number in range(4, MAX_FOLDERS + 4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["mine", *kept])


def test_a_folder_that_cannot_be_written_is_said_once_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    curves = Curves(tmp_path / "file" / "1")
    curves.add(1, {"loss": 1.0})
    curves.add(2, {"loss": 1.0})
    curves.close()
    assert capsys.readouterr().err.count("no curves for TensorBoard") == 1
