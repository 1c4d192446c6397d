"""The bodies of refusals: each path speaks its own protocol, also where no route answers."""

from __future__ import annotations

from typing import Any

SCORING_PATHS = ("/invocations", "/ping", "/version")
# MLflow's names of errors, by HTTP status; others are the nearest of these.
CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    409: "RESOURCE_CONFLICT",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
}
INTERNAL = "INTERNAL_ERROR"
INVALID_REQUEST, INTERNAL_RPC = -32600, -32603  # of JSON-RPC


def refusal(path: str, status: int, sentence: str) -> dict[str, Any]:
    """Return the JSON body of a refusal on this path."""
    if path == "/v2" or path.startswith("/v2/"):
        return {"error": sentence}
    if path == "/mcp":
        code = INTERNAL_RPC if status >= 500 else INVALID_REQUEST
        return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": sentence}}
    if path in SCORING_PATHS:
        return {"error_code": CODES.get(status, INTERNAL), "message": sentence}
    return {"detail": sentence}
