"""Formats of files, and verdicts from them and from errors, without a worker."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import pytest

from dltk_runtime.volume import formats, libraries
from dltk_runtime.volume.errors import VolumeError
from dltk_runtime.volume.examine import used_in
from dltk_runtime.volume.formats import Format, format_of
from dltk_runtime.volume.verdict import Loading, ModelVerdict, judge
from dltk_runtime.worker.messages import ErrorReport

STORED = Path(__file__).parent.parent / "data" / "old_models"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The releases of this machine, and those of compat, whatever is installed."""
    monkeypatch.setattr(libraries, "installed", {"scikit-learn": "1.9.1", "keras": "3.15.1"}.get)
    monkeypatch.setattr(libraries, "compat", lambda: {"scikit-learn": "1.6.1", "keras": "3.10.0", "prophet": "1.3.0"})
    monkeypatch.setattr(libraries, "is_installed", lambda module: module.partition(".")[0] in ("sklearn", "keras"))


def failed(kind: str, text: str) -> Loading:
    return Loading(ErrorReport("load", f"{kind}: {text}", "a.ipynb, cell 7 (mltkc_load), line 2: `x`", kind=kind))


@pytest.mark.parametrize(
    ("loading", "verdict", "why"),
    [
        (
            failed("ModuleNotFoundError", "No module named 'sklearn.ensemble.forest'"),
            "use compat",
            "scikit-learn 1.9.1 lacks",
        ),
        (
            failed("ImportError", "cannot import name 'Old' from 'sklearn.tree' (/x.py)"),
            "use compat",
            "1.6.1 in compat",
        ),
        (failed("AttributeError", "Can't get attribute 'O' on <module 'sklearn.x' from '/x'>"), "use compat", "1.6.1"),
        (
            failed("AttributeError", "Can't get attribute 'O' on <module '__main__' from '/x'>"),
            "refit",
            "AttributeError",
        ),
        (
            failed("ModuleNotFoundError", "No module named 'prophet'"),
            "a library is missing",
            "DSDL 5.2.4 has prophet 1.3.0",
        ),
        (failed("ModuleNotFoundError", "No module named 'app.model.helper'"), "no file", "app.model.helper"),
        (failed("FileNotFoundError", "[Errno 2] No such file or directory: '/srv/x'"), "no file", "a.ipynb, cell 7"),
        (failed("ValueError", "File not found: filepath=/srv/x.keras."), "no file", "File not found"),
        (failed("EOFError", "Ran out of input"), "refit", "EOFError: Ran out of input"),
        (Loading(), "loads", ""),
    ],
    ids=lambda each: each.error.sentence[:60] if isinstance(each, Loading) and each.error else "",
)
def test_an_error_alone_decides(loading: Loading, verdict: str, why: str) -> None:
    judged = judge(loading, [Format("pickle")])
    assert str(judged.verdict) == verdict, judged
    assert why in judged.why


@pytest.mark.parametrize(
    ("library", "version", "verdict"),
    [
        ("scikit-learn", "1.6.0", "use compat"),
        ("scikit-learn", "1.2.2", "refit"),
        ("scikit-learn", "1.9.0", "refit"),
        ("keras", "2.9.0", "refit"),
        ("keras", "3.10.0", "use compat"),
    ],
)
def test_compat_helps_only_for_a_file_of_its_own_release(library: str, version: str, verdict: str) -> None:
    judged = judge(failed("ValueError", "node array has another dtype"), [Format("x", ((library, version),))])
    assert str(judged.verdict) == verdict, judged
    assert (f"written by {library} {version}" in judged.why) == (version != "1.9.0"), "the same release is no reason"


def test_a_warning_that_the_worker_printed_names_the_release() -> None:
    printed = (
        "x.py:380: InconsistentVersionWarning: Trying to unpickle estimator PCA from version 1.2.2 when using 1.9.1."
    )
    judged = judge(Loading(printed=printed), [Format("pickle")])
    assert (judged.verdict, judged.why) == (ModelVerdict.LOADS, "written by scikit-learn 1.2.2, read by 1.9.1")


def test_a_long_error_is_cut() -> None:
    assert len(judge(failed("ValueError", "x" * 5000), []).why) < 400


# ------------------------------------------------------------ formats


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("scaled_default.pkl", "pickle, scikit-learn 1.2.2"),
        ("boost_default.pkl", "pickle, scikit-learn 1.6.1"),
        ("network_default.pt", "torch"),
    ],
)
def test_a_stored_file_says_what_wrote_it(file: str, expected: str) -> None:
    assert str(format_of(STORED / file)) == expected


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_release_is_found_in_any_pickle_and_across_pieces(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "CHUNK_BYTES", 64)
    for length in range(40, 80, 3):
        path = tmp_path / f"{length}.pkl"
        path.write_bytes(pickle.dumps({"x": b"." * length, "_sklearn_version": "0.24.2"}, protocol))
        assert format_of(path).written_by == (("scikit-learn", "0.24.2"),), length


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", b"{}", "json"),
        ("a", b"", "unknown"),
        ("a.pkl", b"\x80\x04\x8c\x10_sklearn_version\x94\x8c\x1f\x1b]0;x", "pickle"),
        ("a.pkl", b"\x80\x04\x8c\x10_sklearn_version", "pickle"),
        ("a.zip", b"PK\x03\x04 and no more", "zip"),
    ],
)
def test_other_and_damaged_files_have_no_release(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert str(format_of(tmp_path / name)) == expected


@pytest.mark.process  # h5py asks for the machine's name when it is imported
def test_an_hdf5_file_says_which_keras_wrote_it(tmp_path: Path) -> None:
    assert str(format_of(STORED / "lstm_default.h5")) == "HDF5, keras 2.9.0"
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    assert str(format_of(tmp_path / "a.h5")) == "HDF5"


def test_archives_and_folders(tmp_path: Path) -> None:
    for metadata, expected in (
        ({"keras_version": "3.4.1"}, "Keras, keras 3.4.1"),
        ({"keras_version": "\x1b"}, "Keras"),
    ):
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("metadata.json", json.dumps(metadata))
        assert str(format_of(tmp_path / "m.keras")) == expected
    (tmp_path / "saved").mkdir()
    assert str(format_of(tmp_path / "saved")) == "folder"
    (tmp_path / "saved" / "saved_model.pb").touch()
    assert str(format_of(tmp_path / "saved")) == "tensorflow"


# ------------------------------------------------------------ what is in use


def test_a_list_of_models_in_use(tmp_path: Path) -> None:
    path = tmp_path / "used.csv"
    path.write_text(
        "state,kind,model,algorithm\nin use,view,a,umap\nbroken,view,b,\nunused,view,c,umap\nin use,view,,\n"
    )
    assert used_in(path) == {("umap", "a"), ("", "b")}
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VolumeError, match="cannot be read as CSV"):
        used_in(path)
    path.write_text("state,model\n")
    assert used_in(path) == frozenset()
    path.write_text("")
    with pytest.raises(VolumeError, match=r"used\.csv is empty"):  # of an inventory that failed
        used_in(path)
