"""From the container's answer to result columns (protocol 1.3)."""

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
class Answer:
    """A readable answer; `results` is None when the rows stay as they were."""

    message: SearchMessage
    results: pd.DataFrame | None


def read(reply: Reply) -> Answer:
    """The answer of ``/fit`` and ``/apply``.

    Raises:
        ReplyUnreadable: any status but 200, no JSON object in the body, or results that are no CSV.
    """
    answer = read_json(reply)
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
        raise _unreadable(reply, "the JSON is no object with a status")
    level = MessageLevel.ERROR if answer["status"] == "error" else MessageLevel.INFO
    message = SearchMessage(level, str(answer.get("message", "")) or f"The container answered: {answer['status']}")
    return Answer(message, _results(reply, answer.get("results")) if level is MessageLevel.INFO else None)


def read_json(reply: Reply) -> Any:
    """The JSON of an answer with status 200; everything else raises `ReplyUnreadable`, as Splunk fails on it."""
    if reply.status != 200:
        raise _unreadable(reply, f"HTTP {reply.status} {reply.reason}".rstrip())
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise _unreadable(reply, "HTTP 200, but no JSON") from error


def merge(frame: pd.DataFrame, results: pd.DataFrame, target: str | None, output_name: str | None) -> pd.DataFrame:
    """The rows behind the command: `frame` with the result columns, or only those when the counts differ."""
    named = rename(results, target, output_name)
    if len(named) != len(frame):
        return named
    kept = frame.drop(columns=[column for column in named.columns if column in frame.columns])
    return pd.concat([kept.reset_index(drop=True), named.reset_index(drop=True)], axis="columns")


def rename(results: pd.DataFrame, target: str | None, output_name: str | None) -> pd.DataFrame:
    """With a target the first column is the prediction; without one every column gets a prefix."""
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
        raise _unreadable(reply, "the results are no text")
    try:
        return pd.read_csv(io.StringIO(results))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        raise _unreadable(reply, f"the results are no CSV ({str(error).strip()})") from error


def _unreadable(reply: Reply, answer: str) -> ReplyUnreadable:
    advice = "Give the container's api_token with --token or DLTK_TOKEN." if reply.status == 401 else ""
    return ReplyUnreadable(reply.url, answer, reply.body[:400].decode(errors="replace"), advice)
