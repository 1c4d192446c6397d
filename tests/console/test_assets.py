"""What pages load: the libraries are those of their packages, small, and served by hash."""

from __future__ import annotations

import gzip
import hashlib
import re

from dltk_runtime.server.console import assets

MAX_FIRST_PAGE_BYTES = 60_000  # compressed, with all that the largest page loads
NOTES = (assets.HERE / "vendor" / "README.md").read_text(encoding="utf-8")


def test_every_library_is_the_one_that_its_note_names() -> None:
    noted = dict(re.findall(r"^\| `([\w.-]+\.gz)` \|.*`([0-9a-f]{64})`", NOTES, re.MULTILINE))
    found = sorted((assets.HERE / "vendor").glob("*.gz"))
    assert {path.name: hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() for path in found} == noted
    assert len(noted) == 5


def test_every_library_has_its_licence() -> None:
    named = set(re.findall(r"`(LICENSE-\w+)`", NOTES))
    assert named == {path.name for path in (assets.HERE / "vendor").glob("LICENSE-*")}
    assert len(named) == 3


def test_all_that_a_page_loads_is_small() -> None:
    assert sum(len(assets.content(name)) for name in assets.FILES) < MAX_FIRST_PAGE_BYTES


def test_an_address_changes_with_the_file() -> None:
    addresses = {assets.address(name) for name in assets.FILES}
    assert len(addresses) == len(assets.FILES)
    assert all(re.fullmatch(r"/ui/files/[0-9a-f]{16}/[\w.]+", each) for each in addresses)


def contrast(*colours: str) -> float:
    """How far two colours are apart, 1 to 21 (WCAG 2.2, contrast ratio)."""
    found = []
    for colour in colours:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
        found.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(found) + 0.05) / (min(found) + 0.05)


def test_words_in_colours_can_be_read_in_light_and_dark() -> None:
    style = (assets.HERE / "static" / "console.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{ (--good[^}]*)\}", style)
    for background, scheme in zip(("#ffffff", "#13171f"), schemes, strict=True):  # Pico's own
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        assert {name for name, each in colours.items() if contrast(each, background) < 4.5} == {"faint"}
    assert {b"--pico-background-color:#fff", b"--pico-background-color:rgb(19"} <= set(
        re.findall(rb"--pico-background-color:(?:#fff|rgb\(19)", gzip.decompress(assets.content("pico.css")))
    )


def test_our_own_script_evaluates_no_text_and_our_style_loads_nothing() -> None:
    script = (assets.HERE / "static" / "console.js").read_text(encoding="utf-8")
    style = (assets.HERE / "static" / "console.css").read_text(encoding="utf-8")
    assert not re.search(r"\beval\b|\bFunction\(|innerHTML|insertAdjacentHTML|document\.write", script)
    assert not re.search(r"url\(|@import", style)


def test_code_is_printed_whole_and_as_code() -> None:
    style = (assets.HERE / "static" / "console.css").read_text(encoding="utf-8")
    blocks = re.findall(r"^@media[^{]*\{\n(.*?)^\}", style, re.MULTILINE | re.DOTALL)
    assert all(line.startswith("  ") for block in blocks for line in block.splitlines()), (
        "an edit meant for another rule"
    )
    (printed,) = re.findall(r"^@media print \{\n(.*?)^\}", style, re.MULTILINE | re.DOTALL)
    assert "  pre, pre.cell { white-space: pre-wrap; overflow: visible; overflow-wrap: anywhere; }\n" in printed
    assert "font-family" not in printed
