"""Compiled code gives pandas' values and pandas' text, to the bit, or declines; it stays inside its buffers."""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltk_runtime.tables.native import build, library
from dltk_runtime.tables.native import code as compiled
from tests.tables import hostile_numbers

ROWS_OF_AN_EXAMPLE = 2000
LINE_END, EMPTY = b"\n", b'""'
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
# `make fuzz` takes thirty times as many examples: over ten million cells.
few = settings(max_examples=max(10, settings.default.max_examples // 5))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def code() -> library.Numbers:
    loaded = library.load()
    if loaded is None:
        pytest.skip("no compiled code: `make setup` says why")
    return loaded


def assert_read_as_pandas_reads(code: library.Numbers, text: bytes, width: int, rows: int) -> bool:
    """Return whether the text was read at all."""
    found = code.read(text, width, rows)
    if found is None:
        return False
    nearest = None if library.rounds_once(pd.__version__) else "round_trip"
    wanted = pd.read_csv(io.BytesIO(text), header=None, low_memory=False, float_precision=nearest)  # type: ignore[call-overload]
    assert [array.dtype for array in found] == list(wanted.dtypes)
    for place, array in enumerate(found):
        values = wanted[place].to_numpy()
        assert array.view(np.int64).tolist() == values.view(np.int64).tolist() or np.array_equal(
            array, values, equal_nan=True
        )
        assert np.array_equal(np.signbit(array), np.signbit(values))
    return True


@given(
    st.lists(st.lists(hostile_numbers.cells, min_size=1, max_size=3), min_size=1, max_size=5),
    st.sampled_from(["", "\n"]),
)
def test_any_text_is_read_as_pandas_reads_it_or_declined(
    code: library.Numbers, rows: list[list[str]], end: str
) -> None:
    text = "\n".join(map(",".join, rows)) + end
    assert_read_as_pandas_reads(code, text.encode(), len(rows[0]), len(rows) + 1)


@few
@given(seeds)
def test_numbers_are_read_to_the_bit(code: library.Numbers, random: np.random.Generator) -> None:
    for column in hostile_numbers.columns(random, ROWS_OF_AN_EXAMPLE):
        assert assert_read_as_pandas_reads(code, b"\n".join(column) + b"\n", 1, len(column))


def test_pandas_of_this_version_rounds_as_the_runtime_takes_it_to_round() -> None:
    """Up to 15 digits every pandas gives the nearest float; with more and with exponents from 3.1 on."""
    short, long = ("12345678.1234567", "0.123456789012345"), ("0.30000000000000004", "12345678901234567.5", "1.7e-28")
    random = np.random.default_rng(3)
    long = (*long, *map(repr, random.normal(size=1000).tolist()))
    for texts, exact in ((short, True), (long, library.rounds_once(pd.__version__))):
        read = pd.read_csv(io.StringIO("\n".join(["x", *texts])))["x"].tolist()
        assert (read == [float(text) for text in texts]) is exact


@pytest.mark.parametrize(("version", "reads"), [("2.3.3", False), ("3.0.6", False), ("3.1.0", True), ("10.0", True)])
def test_compiled_code_reads_beside_a_pandas_with_the_same_floats(
    code: library.Numbers, monkeypatch: pytest.MonkeyPatch, version: str, reads: bool
) -> None:
    monkeypatch.setattr(pd, "__version__", version)
    assert (library.reader() is not None) is reads
    assert library.load() is not None  # what is written is the same


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"1\n\n2\n",
            b"1,2\n3\n",
            b"1\n2,3\n",
            b'"1"\n',
            b" 1\n",
            b"1 \n",
            b"+1\n",
            b".5\n",
            b"1.\n",
            b"0x1\n",
            b"1\r\n",
        ),
        *(
            b"nan\n",
            b"inf\n",
            b"NA\n",
            b"True\n",
            b"1_0\n",
            b"1e\n",
            b"1e400\n",
            b"--1\n",
            b"-\n",
            b"1\0\n",
            "٣\n".encode(),
        ),
        *(
            b"9223372036854775808\n",
            b"-9223372036854775808\n",
            b"-0\n1.5\n",
            b"1,-0\n1,\n",
            b"1,\n1,-0\n",
            b"\xff\n",
            b"\n",
        ),
    ],
)
def test_what_is_not_plain_is_declined(code: library.Numbers, text: bytes) -> None:
    assert code.read(text, text.split(b"\n")[0].count(b",") + 1, 10) is None


def test_more_rows_than_there_is_room_for_are_declined(code: library.Numbers) -> None:
    assert code.read(b"1\n2\n3\n", 1, 2) is None
    assert code.read(b",".join([b"1"] * 300), 300, 1) is None


@few
@given(seeds)
def test_numbers_are_written_as_pandas_writes_them(code: library.Numbers, random: np.random.Generator) -> None:
    for values in hostile_numbers.values(random, ROWS_OF_AN_EXAMPLE):
        written = code.write([values], LINE_END, EMPTY)
        if values.dtype == np.float32 and written is None:
            continue
        assert written is not None
        assert written.decode() + "\n" == pd.Series(values).to_csv(index=False, header=False)


def test_float32_are_written_as_pandas_writes_them(code: library.Numbers) -> None:
    random = np.random.default_rng(1)
    values = (random.random(50_000) * 10.0 ** random.integers(-3, 5, 50_000)).astype(np.float32)
    values = values[(values > 1e-4) & (values < 1e5)]
    written = code.write([values, -values], LINE_END, EMPTY)
    assert written is not None
    assert written.decode() + "\n" == pd.DataFrame({0: values, 1: -values}).to_csv(index=False, header=False)
    for odd in (1e5, 1e-4, 1e20, np.inf):
        assert code.write([np.array([1, odd], np.float32)], LINE_END, EMPTY) is None


def test_columns_of_every_kind_are_written_side_by_side(code: library.Numbers) -> None:
    whole: list[Any] = [
        np.array([1, -(2**63), 7]),
        np.array([0, 2**64 - 1, 5], np.uint64),
        np.array([1, -1, 0], np.int8),
    ]
    texts = library.Texts(np.array([1, -1, 0]), [b"a", b"bcd"])
    strided = np.arange(12.0).reshape(3, 4)[:, 2]
    written = code.write([*whole, texts, strided], b"\\n", EMPTY)
    assert written == rb"1,0,1,bcd,2.0\n-9223372036854775808,18446744073709551615,-1,,6.0\n7,5,0,a,10.0"
    assert code.write([np.array([np.nan, 1.5])], LINE_END, EMPTY) == b'""\n1.5'
    assert code.write([np.array(["2020-01-01"], "M8[ns]")], LINE_END, EMPTY) is None
    assert code.write([np.array([1.5], np.float16)], LINE_END, EMPTY) is None


def test_code_of_another_source_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: library.Numbers
) -> None:
    copy = Path(shutil.copy(compiled.FILE, tmp_path / "numbers.so"))
    assert library.load(copy) is not None
    changed = tmp_path / "numbers.cpp"
    changed.write_bytes(compiled.SOURCE.read_bytes() + b"// changed\n")
    monkeypatch.setattr(compiled, "SOURCE", changed)
    library.load.cache_clear()
    try:
        assert library.load(copy) is None
    finally:
        library.load.cache_clear()


def test_nothing_is_taken_where_there_is_none_or_a_setting_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "damaged.so").write_bytes(b"\x7fELF")
    assert library.load(tmp_path / "none.so") is None
    assert library.load(tmp_path / "damaged.so") is None
    monkeypatch.setenv("DLTK_COMPILED", "false")
    shutil.copy(compiled.FILE, tmp_path / "other.so")
    assert library.load(tmp_path / "other.so") is None


def test_a_machine_without_a_compiler_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.NotBuilt, match=r"no C\+\+ compiler found"):
        build.build(tmp_path / "numbers.so")


@pytest.mark.process
def test_what_a_compiler_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    with pytest.raises(build.NotBuilt, match="did not run"):
        build.build(tmp_path / "numbers.so")
    assert list(tmp_path.iterdir()) == []
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'no such header' >&2\nexit 3\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(build.NotBuilt, match="ended with code 3: no such header"):
        build.build(tmp_path / "numbers.so")


SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return code compiled with the address and undefined-behaviour sanitizers, and the variables that it needs."""
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    found = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(each).is_absolute() for each in found):
        pytest.skip("g++ has no sanitizers here")
    made = tmp_path_factory.mktemp("checked") / "numbers.so"
    command = ["g++", "-std=c++17", "-fPIC", "-shared", *SANITIZERS, f'-DSOURCE_HASH="{compiled.source_hash()}"']
    subprocess.run([*command, str(compiled.SOURCE), "-o", str(made)], check=True)
    return made, {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}


@pytest.mark.process
@pytest.mark.parametrize("bytes_past", [0, 1])
def test_no_byte_outside_of_a_buffer_is_touched(checked: tuple[Path, dict[str, str]], bytes_past: int) -> None:
    """With `bytes_past` the room is smaller than the code was told: the sanitizer has to see that."""
    code, variables = checked
    command = [sys.executable, "-m", "tests.tables.hostile_numbers", str(code), str(bytes_past)]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if bytes_past:
        assert "AddressSanitizer: heap-buffer-overflow" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert ended.stdout.startswith("read ")


def test_the_address_of_an_array_is_what_the_code_is_given() -> None:
    """`read` takes read-only bytes without a copy."""
    text = b"1,2\n"
    assert np.frombuffer(text, np.uint8).ctypes.data == ctypes.cast(text, ctypes.c_void_p).value
