"""Messages of the Model Context Protocol: good ones, and what is none."""

from __future__ import annotations

import json
from typing import Any

from tests.doors.world import FLOWERS

ROWS = FLOWERS.head(2).to_dict("records")
APPLY = {"algorithm": "iris", "model": "m", "rows": ROWS}


def message(method: str, params: Any = None, **more: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params} | more
    ).encode()


def tool(name: Any, arguments: Any = None, **more: Any) -> bytes:
    return message("tools/call", {"name": name, "arguments": {} if arguments is None else arguments} | more)


BAD_ROWS: list[Any] = [
    None,
    1,
    "x",
    {},
    [1],
    [[]],
    [{}],
    [{"a": {}}],
    [{"a": [1]}],
    [ROWS[0] | {"sepal width": "x"}],
    [],
]
MODERN = {"MCP_Protocol_Version": "2026-07-28"}
MALFORMED: list[tuple[str, bytes, dict[str, str]]] = [
    *(
        (f"body {number}", body, {})
        for number, body in enumerate(
            (
                b"",
                b"x",
                b"{",
                b"{}",
                b"[]",
                b"null",
                b"1",
                b'"x"',
                b"\xff\xfe",
                b"[" * 100_000,
                b'{"a":' * 100_000,
                b"[" + message("tools/list") + b"]",
                b" " * (4 * 1024**2 + 1),
            )
        )
    ),
    *(
        (f"envelope {number}", body, {})
        for number, body in enumerate(
            (
                message("nothing"),
                message(""),
                message("tools/list", jsonrpc="1.0"),
                message("tools/list", []),
                message("tools/list", "x"),
                message("tools/call", {}),
                message("resources/read", {"uri": "file:///etc/passwd"}),
                message("prompts/get", {"name": "x"}),
            )
        )
    ),
    *(
        (f"tool {number}", body, {})
        for number, body in enumerate(
            (
                tool("nothing"),
                tool(""),
                tool(None),
                tool(7),
                tool("promote_model", {"algorithm": "iris", "model": "m"}),
                tool("list_models", []),
                tool("describe_model"),
                tool("describe_model", {"algorithm": "..", "model": "/etc"}),
                tool("describe_model", {"algorithm": "iris", "model": 5}),
                tool("job_state", {"job": "../../etc/passwd"}),
                tool("apply_model", APPLY | {"version": 0}),
                tool("apply_model", APPLY | {"version": "x"}),
                tool("apply_model", APPLY | {"parameters": {"a": {}}}),
                tool("apply_model", APPLY | {"parameters": "x"}),
                tool("apply_model", APPLY | {"rows": [[]] * 500_000}),
            )
        )
    ),
    *((f"rows {number}", tool("apply_model", APPLY | {"rows": rows}), {}) for number, rows in enumerate(BAD_ROWS)),
    ("another host", message("tools/list"), {"Host": "evil.example.com"}),
    ("another origin", message("tools/list"), {"Origin": "https://evil.example.com"}),
    ("no type", message("tools/list"), {"Content_Type": ""}),
    ("another type", message("tools/list"), {"Content_Type": "text/plain"}),
    ("another answer", message("tools/list"), {"Accept": "text/html"}),
    ("another version", message("tools/list"), {"MCP_Protocol_Version": "1999-01-01"}),
    ("a modern one without its facts", message("tools/list"), MODERN),
    ("a session", message("tools/list", []), {"MCP_Session_Id": "x" * 1000}),
]
