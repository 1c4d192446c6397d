"""What the templates let htmx do, and the policy that each page is sent with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.server.console import render
from tests.console.inside import World

# All else that htmx knows is not used: hx-on, hx-live, hx-vals and filters of hx-trigger evaluate text.
ADDRESS = r"(?:/ui/|\{\{ address \}\}).*"
VALUES = {
    "hx-sse:connect": ADDRESS,
    "hx-sse:close": "done",
    "hx-swap": "innerHTML|outerHTML",
    "hx-get": ADDRESS,
    "hx-trigger": r"[a-z0-9:, ]+",
    "hx-target": "#search",
    "hx-select": "#search",
    "hx-select-oob": r"\{% for each in fields %\}#about-.*",
    "hx-sync": "this:replace",
}
ATTRIBUTE = re.compile(r"""((?:data-)?hx-[\w:.-]+)(?:="([^"]*))?""")
DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}


@pytest.mark.parametrize("template", sorted(render.TEMPLATES.iterdir()), ids=lambda path: path.name)
def test_no_template_has_an_attribute_that_evaluates_text_nor_a_second_stream(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    wrong = [each for each in ATTRIBUTE.findall(text) if not re.fullmatch(VALUES.get(each[0], "never"), each[1])]
    assert wrong == []
    assert text.count("hx-sse:connect=") <= 1
    assert not re.search(r"""["']js:|javascript:|\son\w+=""", text)


def test_a_part_that_is_sent_again_and_the_frame_of_all_pages_open_no_stream() -> None:
    for name in ("base.html", "macros.html", "job_part.html", "jobs_part.html"):
        assert "hx-" not in (render.TEMPLATES / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("path", ["/ui", "/ui/jobs", "/ui/models/healthy/none", "/ui/sign-in"])
def test_the_policy_of_each_page_is_this_one(paths: Paths, path: str) -> None:
    policy = World(paths).ask(path).headers["content-security-policy"]
    assert dict(each.strip().split(" ", 1) for each in policy.split(";")) == DIRECTIVES
