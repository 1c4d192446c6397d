"""The template engine of the apps: Jinja2 over the files in ``templates/``.

Each value is inserted once and unchanged: ``{{x}}`` in a value stays text. In ``.xml`` templates
values are escaped; in ``.yaml`` templates they are sealed, so that none can change the document, and
`opened` after it is read. All delimiters begin with ``{{``, which neither SPL nor ``.conf`` files nor
dashboards use; their own ``{``, ``{%``, ``{#`` and ``$token$`` are plain text::

    {{name}}                             a value
    {{% include "parts/alert.conf" %}}   a block
    {{# … #}}                            a comment
    {{ "{{" }}                           the characters {{

A name without a value is an error.
"""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import jinja2

from dltk_runtime.flows.errors import FlowTemplateInvalid

# Around a sealed value, which is written as hexadecimal digits: characters for private use, which no template has.
_SEALED = re.compile("\ue000([0-9a-f]*)\ue001")
TEMPLATES = Path(__file__).with_name("templates")


def render(name: str, values: Mapping[str, object], folder: Path = TEMPLATES) -> str:
    """Return the text of the template `name`, a path below `folder`, with `values` inserted.

    Raises:
        FlowTemplateInvalid: the template uses a name that `values` lacks, or has a syntax error.
    """
    try:
        return _environment(folder).get_template(name).render(values)
    except jinja2.TemplateError as error:
        raise FlowTemplateInvalid(_place(error, name, folder), str(error)) from error


def opened(text: str) -> str:
    """Return a text of a rendered ``.yaml`` template with its values."""
    return _SEALED.sub(lambda sealed: bytes.fromhex(sealed[1]).decode("utf-8", "surrogatepass"), text)


@jinja2.pass_context
def _sealed(context: jinja2.runtime.Context, value: object) -> object:
    if not str(context.name).endswith(".yaml"):
        return value
    return f"\ue000{str(value).encode('utf-8', 'surrogatepass').hex()}\ue001"


@functools.cache
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["xml"], default=False),
        finalize=_sealed,
        keep_trailing_newline=True,
        block_start_string="{{%",
        block_end_string="%}}",
        comment_start_string="{{#",
        comment_end_string="#}}",
    )
    environment.globals.clear()  # such as `range`: a name comes from the flow, or is an error
    return environment


def _place(error: jinja2.TemplateError, name: str, folder: Path) -> str:
    """Return file and line of the innermost template in the traceback, as an included part."""
    files = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    places = [f"{path.relative_to(folder)}:{line}" for path, line in files if path.is_relative_to(folder)]
    return places[-1] if places else name
