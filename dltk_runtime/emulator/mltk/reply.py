"""Convert the answer of a container to result columns (protocol 1.3)."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltk_runtime.client.errors import ReplyUnreadable
from dltk_runtime.client.http import Reply
from dltk_runtime.emulator.mltk.results import MessageLevel, SearchMessage


@dataclass(frozen=True, slots=True)
class ContainerAnswer:
    """A valid answer; without `results` the rows stay unchanged."""

    message: SearchMessage
    results: pd.DataFrame | None


def read(reply: Reply) -> ContainerAnswer:
    """Read the answer of ``/fit`` or ``/apply``.

    Raises:
        ReplyUnreadable: the status is not 200, the body is not a JSON object, or the results are not CSV.
    """
    answer = read_json(reply)
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
        raise unreadable(reply, "the JSON is not an object with a status")
    level = MessageLevel.ERROR if answer["status"] == "error" else MessageLevel.INFO
    message = SearchMessage(level, str(answer.get("message", "")) or f"The container answered: {answer['status']}")
    return ContainerAnswer(message, _results(reply, answer.get("results")) if level is MessageLevel.INFO else None)


def read_json(reply: Reply) -> Any:
    """Read the JSON of an answer.

    Raises:
        ReplyUnreadable: the status is not 200, or the body is not JSON.
    """
    if reply.status != 200:
        raise unreadable(reply, f"HTTP {reply.status} {reply.reason}".rstrip())
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise unreadable(reply, "HTTP 200, but not JSON") from error


def merge(frame: pd.DataFrame, results: pd.DataFrame, target: str | None, output_name: str | None) -> pd.DataFrame:
    """Add the result columns to `frame`; return them alone if the numbers of rows differ."""
    named = rename(results, target, output_name)
    if len(named) != len(frame):
        return named
    kept = frame.drop(columns=[column for column in named.columns if column in frame.columns])
    return pd.concat([kept.reset_index(drop=True), named.reset_index(drop=True)], axis="columns")


def rename(results: pd.DataFrame, target: str | None, output_name: str | None) -> pd.DataFrame:
    """Rename result columns: with a target the first is the prediction, else all get a prefix."""
    columns = [str(column) for column in results.columns]
    if target is None:
        prefix = f"{output_name or 'predicted'}_"
        columns = [prefix + column for column in columns]
    elif columns:
        columns[0] = output_name or f"predicted_{target}"
    return results.set_axis(columns, axis="columns")


def _results(reply: Reply, results: object) -> pd.DataFrame | None:
    if results is None:
        return None
    if not isinstance(results, str):
        raise unreadable(reply, "the results are not a string")
    try:
        return pd.read_csv(io.StringIO(results))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        raise unreadable(reply, f"the results are not CSV ({str(error).strip()})") from error


def unreadable(reply: Reply, answer: str) -> ReplyUnreadable:
    """Make the error of an answer that is not the container's."""
    advice = "Pass the container's api_token with --token or DLTK_TOKEN." if reply.status == 401 else ""
    return ReplyUnreadable(reply.url, answer, reply.body[:400].decode(errors="replace"), advice)
