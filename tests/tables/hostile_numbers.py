"""Numbers that readers and writers get wrong, as text and as values.

As a program it hands them to the code at a path, which may be compiled with sanitizers:
``python -m tests.tables.hostile_numbers CODE BYTES_PAST``.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dltk_runtime.tables.native import code as compiled
from dltk_runtime.tables.native import library

DIGITS = "0123456789"
PLAIN = [
    "0",
    "-0",
    "0.0",
    "-0.0",
    "00",
    "007",
    "1e5",
    "1E-5",
    "1e+5",
    "1.5e300",
    "5e-324",
    "4.9e-324",
    "0.1",
    "1e22",
    "1e23",
]
BORDERS = [
    *("9007199254740992", "9007199254740993", "9007199254740993.0", "999999999999999999", "1000000000000000000"),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "0.30000000000000004",
    ),
    *("1.7976931348623157e308", "2.2250738585072014e-308", "2.2250738585072011e-308", "8.5e15", "123456789012345678.5"),
]
ODD = [
    "",
    "NA",
    "nan",
    "inf",
    "-",
    ".",
    ".5",
    "1.",
    "+1",
    " 1",
    "1 ",
    "1e",
    "e5",
    "0x10",
    '"1"',
    "True",
    "1\r",
    "1\0",
    "é",
    "1_0",
]
cells = (
    st.sampled_from(PLAIN + BORDERS + ODD)
    | st.integers(-(2**66), 2**66).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.text(DIGITS + ".-e", max_size=24)
    | st.text('0123456789.,-+eE \n"', max_size=8)
)

Array = np.ndarray[Any, Any]


def columns(random: np.random.Generator, rows: int) -> Iterator[list[bytes]]:
    """Yield columns of plain numbers: all floats, few decimals, many digits, halfway between two doubles, integers."""
    for values in (_any_double(random, rows), random.normal(size=rows), random.normal(size=rows).round(3)):
        yield [repr(value).encode() for value in values.tolist()]
    digits = random.integers(0, 10, (rows, 17)).astype("U1")
    points = random.integers(1, 17, rows)
    yield [f"{''.join(row[:at])}.{''.join(row[at:])}".encode() for row, at in zip(digits, points.tolist(), strict=True)]
    yield [_halfway(value) for value in random.normal(size=rows).tolist()]
    yield [b"%d" % value for value in random.integers(-(10**18) + 1, 10**18, rows).tolist()]


def values(random: np.random.Generator, rows: int) -> Iterator[Array]:
    """Yield columns of numbers to write."""
    yield _any_double(random, rows, finite=False)
    yield random.normal(size=rows)
    for decimals in (0, 1, 6, 7, 12):
        yield (random.normal(size=rows) * 10.0 ** random.integers(-3, 9, rows)).round(decimals)
    yield 10.0 ** random.integers(-320, 309, rows)
    yield np.rint(random.random(rows) * 10.0 ** random.integers(0, 18, rows))
    yield random.normal(size=rows).astype(np.float32)
    yield random.integers(-(2**63), 2**63 - 1, rows)


def _any_double(random: np.random.Generator, rows: int, *, finite: bool = True) -> Array:
    """Return doubles of any bits."""
    found = random.integers(0, 2**64, rows, dtype=np.uint64).view(np.float64)
    return found[np.isfinite(found)] if finite else found


def _halfway(value: float) -> bytes:
    """Return the text of the middle between `value` and the next double, cut to 18 digits."""
    digits = f"{(np.longdouble(value) + np.longdouble(np.nextafter(value, np.inf))) / 2:.17f}"
    return digits.lstrip("-")[:19].encode()


def main(code: Path, bytes_past: int) -> None:
    """Read and write hostile numbers; with `bytes_past` in less room than the code is told."""
    loaded, opened = library.load(code), compiled.opened(code)
    assert loaded is not None
    assert opened is not None
    unescape = compiled.Unescaper(opened)
    random, done = np.random.default_rng(7), 0
    if bytes_past:
        room = ctypes.create_string_buffer(8)
        source = (library._Source * 1)()
        kept = library._fill(source[0], np.array([-1.2345678901234567e-103]))
        arguments = map(ctypes.c_int64, (1, 0, 1))
        loaded._write(source, *arguments, b"\n", b"", room)
        sys.exit(f"nothing was seen: {kept}, {room.raw!r}")
    alphabet = np.frombuffer(b'0123456789.,-+eE \n"', np.uint8)
    for size in (*range(1, 40), *random.integers(40, 4000, 200)):
        text = random.choice(alphabet, size).tobytes()
        for width in (1, 2, 3):
            done += loaded.read(text, width, 50) is not None
    for column in columns(random, 300):
        text = b",".join(column)
        for cut in range(len(text) - 60, len(text)):
            done += loaded.read(text[:cut].replace(b",", b"\n"), 1, 300) is not None
    written = sum(len(loaded.write([each], b"\\n", b'\\"\\"') or b"") for each in values(random, 3000))
    longest = np.full(5000, -1.2345678901234567e-103)
    written += len(loaded.write([longest] * 20, b"\\n", b"") or b"")
    escapes = np.frombuffer(b'ab,1\\\\n"/u\x1f\x7f\xc3', np.uint8)
    for size in random.integers(0, 100, 2000):
        written += len((unescape.unescape(random.choice(escapes, size).tobytes()) or (b"",))[0])
    for size in range(100):
        written += len((unescape.unescape(b"x" * size + b"\\") or (b"",))[0])
    sys.stdout.write(f"read {done} tables, wrote {written} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
