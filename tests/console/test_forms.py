"""What a browser sends in a form, with and without a file, and what nobody's browser sends."""

from __future__ import annotations

import pytest

from dltk_runtime.server.console.forms import MAX_FIELDS, bytes_of, fields

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=X-1"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    return (
        b"".join(b"--X-1\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts) + b"--X-1--\r\n"
    )


def part(name: str, body: bytes, file: str | None = None) -> tuple[str, bytes]:
    more = f'; filename="{file}"\r\nContent-Type: text/csv' if file is not None else ""
    return f'Content-Disposition: form-data; name="{name}"{more}', body


def test_fields_and_files_are_read() -> None:
    rows = 'a,b\r\n1,"x\r\ny"\r\nä,--X\r\n'.encode()
    found = fields(multipart(part("form", b"1"), part("rows", b""), part("file", rows, 'ro"ws.csv')), MULTIPART)
    assert found == {"form": "1", "rows": "", "file": rows.decode()}
    assert fields(b"form=1&reason=%C3%A4+b&form=2", URLENCODED) == {"form": "1", "reason": "ä b"}


def test_a_file_keeps_bytes_that_are_no_utf_8_and_other_fields_can_be_shown() -> None:
    found = fields(multipart(part("rows", b"\xff"), part("file", b"\xff\x00", "x")), MULTIPART)
    assert bytes_of(found["file"]) == b"\xff\x00"
    assert found["rows"] == "\ufffd"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", MULTIPART),
        (b"--X-1", MULTIPART),
        (b"--X-1\r\n\r\n", MULTIPART),
        (multipart(part("a", b"1")), "multipart/form-data"),
        (multipart(part("a", b"1")), "multipart/form-data; boundary="),
        (multipart(part("a", b"1")), "multipart/form-data; boundary=other"),
        (multipart(("Content-Disposition: form-data", b"1")), MULTIPART),
        (multipart(("X: " + "y" * 5000, b"1")), MULTIPART),
        (b"&".join(b"%d=" % number for number in range(MAX_FIELDS + 5)), URLENCODED),
    ],
)
def test_what_is_no_form_has_no_fields(content: bytes, kind: str) -> None:
    assert fields(content, kind) == {}


def test_more_parts_than_any_form_has_are_not_looked_for() -> None:
    found = fields(multipart(*(part(f"n{number}", b"") for number in range(1000))), MULTIPART)
    assert len(found) <= MAX_FIELDS + 1
