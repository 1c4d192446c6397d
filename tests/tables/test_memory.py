"""No encoder and no decoder writes outside its buffers: their tests run again under two checks of the heap."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
# Since glibc 2.34 MALLOC_CHECK_ alone does nothing; and without PYTHONMALLOC small objects are not malloc's.
CHECKS = {
    "python": {"PYTHONMALLOC": "debug"},
    "glibc": {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "PYTHONMALLOC": "malloc"},
}
CASES = [
    "tests/tables/test_csv_text.py::test_every_frame_has_the_text_that_pandas_writes",
    "tests/tables/test_csv_text.py::test_floats_of_the_longest_texts_at_lengths_around_powers_of_two",
    "tests/tables/test_csv_text.py::test_splunks_side_reads_the_rows_that_were_sent",
    "tests/tables/test_csv_frame.py::test_small_files_of_numbers_are_read_as_pandas_reads_them",
    "tests/tables/test_frames.py::test_a_literal_becomes_the_bytes_of_its_text_or_an_error_of_ours",
]
ONE_BYTE_PAST = """
import ctypes, gc
buffer = ctypes.create_string_buffer(1000)
ctypes.memset(ctypes.addressof(buffer) + 1000, 0x41, {bytes})
del buffer
gc.collect()
"""


def run(check: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    environ = os.environ | CHECKS[check]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("check", CHECKS)
def test_encoders_and_decoders_stay_inside_their_buffers(check: str) -> None:
    ended = run(check, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "800", *CASES)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "cannot be preloaded" not in ended.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_one_byte_past_a_buffer_is_seen_by_each_check(check: str) -> None:
    assert run(check, "-c", ONE_BYTE_PAST.format(bytes=0)).returncode == 0
    assert run(check, "-c", ONE_BYTE_PAST.format(bytes=1)).returncode < 0
