"""An apply whose rows and results go as Arrow streams: not Splunk's way, but for many rows the faster one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pandas as pd

from dltk_runtime.client.http import Container, Reply
from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.mltk.reply import ContainerAnswer, unreadable
from dltk_runtime.emulator.mltk.results import MessageLevel, SearchMessage, info

ARROW = "application/vnd.apache.arrow.stream"
VERSION, WARNING = "dltk-version", "dltk-warning"  # headers of the answer


def apply(container: Container, rows: pd.DataFrame, meta: Mapping[str, Any]) -> ContainerAnswer:
    """Apply the model that `meta` names to `rows`; its parameters go with the request.

    Raises:
        SearchError: pyarrow is not installed.
        Unreachable, ReplyUnreadable: as for Splunk's own way.
    """
    params = dict(meta["options"].get("params", {}))
    algorithm, model = str(params.pop("algo", "")), str(meta["options"]["model_name"])
    path = f"/v1/models/{quote(algorithm, safe='')}/{quote(model, safe='')}/apply"
    return _read(container.post_rows(f"{path}?{urlencode(params)}", ARROW, _stream(rows)))


def _stream(rows: pd.DataFrame) -> bytes:
    pa = _pyarrow()
    table, sink = pa.Table.from_pandas(rows, preserve_index=False), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _read(reply: Reply) -> ContainerAnswer:
    if reply.status != 200:
        return ContainerAnswer(SearchMessage(MessageLevel.ERROR, _detail(reply)), None)
    pa = _pyarrow()
    try:
        results = pa.ipc.open_stream(reply.body).read_all().to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(reply, f"the results are no Arrow stream ({error})") from error
    warning = _unescaped(reply.headers.get(WARNING, ""))
    text = f"/apply done successfully by Arrow, version {reply.headers.get(VERSION, '?')}"
    return ContainerAnswer(info(f"{text}. {warning}" if warning else f"{text}."), results)


def _detail(reply: Reply) -> str:
    """Return the words of a refusal.

    Raises:
        ReplyUnreadable: it is none of this route.
    """
    try:
        return str(json.loads(reply.body)["detail"])
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(reply, f"HTTP {reply.status} {reply.reason}".rstrip()) from error


def _unescaped(text: str) -> str:
    """Return the text of a header, which JSON escapes and a bound may have cut."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise SearchError("--arrow needs pyarrow: in a clone of dltk-runtime run pip install '.[arrow]'") from error
    return pyarrow
