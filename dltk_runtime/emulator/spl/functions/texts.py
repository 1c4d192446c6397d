"""Functions of text, hashes, JSON and conversions."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.functions.patterns import check_pattern, pattern, replaced
from dltk_runtime.emulator.spl.values import Multi, Value, number, text
from dltk_runtime.errors import shown

_PRINTF = re.compile(r"%[-+0 #]*\d*(?:\.\d+)?([a-zA-Z%])")
_STEP = re.compile(r"([^.{}]+)|\{(\d*)\}")
_TRIMMED = " \t\r\n"


def _of_text(function: Callable[[str], Value]) -> Callable[[Value], Value]:
    return lambda value: function(text(value) or "")


def _replace(value: Value, regex: Value, new: Value) -> Value:
    return replaced(pattern(text(regex) or ""), text(new) or "", text(value) or "")


def _substr(value: Value, start: Value, length: Value = None) -> Value:
    """Return a substring; the first character is number 1, a negative start counts from the end."""
    written, first, count = text(value) or "", number(start), number(length)
    if first is None:
        return None
    begin = max(len(written) + int(first), 0) if first < 0 else max(int(first) - 1, 0)
    return written[begin:] if count is None else written[begin : begin + max(int(count), 0)]


def _trim(method: str) -> Callable[..., Value]:
    def call(value: Value, characters: Value = _TRIMMED) -> Value:
        return str(getattr(text(value) or "", method)(text(characters)))

    return call


def _tonumber(value: Value, base: Value = 10) -> Value:
    written, radix = (text(value) or "").strip(), number(base)
    if radix is None or radix != int(radix) or not 2 <= radix <= 36:
        return None
    if radix == 10:
        return number(written)
    try:
        return int(written, int(radix)) if re.fullmatch(r"[+-]?[0-9A-Za-z]+", written) else None
    except ValueError:
        return None


def _check_number(arguments: Sequence[Any]) -> None:
    literal = arguments[0].literal
    if literal is not None and len(arguments) == 1 and number(literal) is None:
        raise SearchInvalid(f"the arguments to the 'tonumber' function are invalid: {shown(literal)} is no number")


def _tostring(value: Value, form: Value = None) -> Value:
    if form is None:
        return _plain(value)
    amount = number(value)
    if amount is None:
        return None
    if form == "hex":
        return f"0x{int(amount):X}"
    if form == "commas":
        whole = amount == int(amount)
        return f"{int(amount):,}" if whole else f"{amount:,.2f}".rstrip("0").rstrip(".")
    days, seconds = divmod(int(amount), 86400)
    clock = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    return f"{days}+{clock}" if days else clock


def _plain(value: Value) -> str:
    return "Null" if value is None else str(value) if isinstance(value, bool) else text(value) or ""


def _check_form(arguments: Sequence[Any]) -> None:
    if len(arguments) == 2 and arguments[1].literal not in {"hex", "commas", "duration"}:
        raise SearchInvalid('tostring() takes "hex", "commas" or "duration" as its form')


def _printf(form: Value, *values: Value) -> Value:
    written = text(form) or ""
    wanted = [found[1] for found in _PRINTF.finditer(written) if found[1] != "%"]
    try:
        return written % tuple(_printed(letter, value) for letter, value in zip(wanted, values, strict=True))
    except (TypeError, ValueError):
        return None


def _printed(letter: str, value: Value) -> Any:
    if letter == "s":
        return _plain(value)
    amount = number(value)
    if amount is None:
        raise ValueError(letter)
    return int(amount) if letter in "diouxX" else float(amount)


def _check_printf(arguments: Sequence[Any]) -> None:
    written = arguments[0].literal
    letters = [found[1] for found in _PRINTF.finditer(written)]
    if "%" in _PRINTF.sub("", written) or set(letters) - set("sdiouxXeEfFgG%"):
        raise SearchInvalid(f"the format {shown(written)} has a conversion that runs in Splunk only")
    if len([letter for letter in letters if letter != "%"]) != len(arguments) - 1:
        raise SearchInvalid(f"printf() wants one value for each conversion of {shown(written)}")


def _hash(name: str) -> Callable[[Value], Value]:
    return lambda value: hashlib.new(name, (text(value) or "").encode(), usedforsecurity=False).hexdigest()


def _json_extract(document: Value, path: Value = None) -> Value:
    try:
        current = json.loads(text(document) or "")
    except ValueError:
        return None
    return _json_value(_followed(current, text(path) or "") if path is not None else current)


def _followed(current: Any, path: str) -> Any:
    for name, index in _STEP.findall(path):
        if name:
            current = current.get(name) if isinstance(current, dict) else None
        elif not isinstance(current, list):
            return None
        elif index:
            current = current[int(index)] if int(index) < len(current) else None
        elif path.endswith("{}"):
            return current
        else:
            raise SearchError(f"the path {shown(path)} names several values, which runs in Splunk only")
    return current


def _json_value(value: Any) -> Value:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else value


def _json_valid(value: Value) -> Value:
    try:
        json.loads(text(value) or "")
    except ValueError:
        return False
    return True


def _json_object(*pairs: Value) -> Value:
    made = {text(name) or "": value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False)


def _json_array(*values: Value) -> Value:
    return json.dumps([list(v.values) if isinstance(v, Multi) else v for v in values], separators=(",", ":"))


TEXTS: Mapping[str, Function] = {
    "json_array": Function(_json_array, 0, None, kinds="v", nulls=True, form="json_array(value, …)"),
    "json_extract": Function(_json_extract, 1, 2, kinds="vt", form="json_extract(json[, path])"),
    "json_object": Function(_json_object, 0, None, kinds="tv*", nulls=True, form="json_object(name, value, …)"),
    "json_valid": Function(_json_valid, 1, 1, boolean=True, kinds="v", form="json_valid(text)"),
    "len": Function(_of_text(len), 1, 1, kinds="t", form="len(text)"),
    "lower": Function(_of_text(str.lower), 1, 1, kinds="t", form="lower(text)"),
    "ltrim": Function(_trim("lstrip"), 1, 2, kinds="vt", form="ltrim(text[, characters])"),
    "md5": Function(_hash("md5"), 1, 1, kinds="t", form="md5(text)"),
    "printf": Function(
        _printf, 1, None, kinds="lv", nulls=True, form='printf("format", value, …)', check=_check_printf
    ),
    "replace": Function(
        _replace, 3, 3, kinds="vtt", form="replace(text, regex, new)", check=lambda given: check_pattern(given[1])
    ),
    "rtrim": Function(_trim("rstrip"), 1, 2, kinds="vt", form="rtrim(text[, characters])"),
    "sha1": Function(_hash("sha1"), 1, 1, kinds="t", form="sha1(text)"),
    "sha256": Function(_hash("sha256"), 1, 1, kinds="t", form="sha256(text)"),
    "sha512": Function(_hash("sha512"), 1, 1, kinds="t", form="sha512(text)"),
    "spath": Function(_json_extract, 2, 2, kinds="vt", form="spath(json, path)"),
    "substr": Function(_substr, 2, 3, kinds="vnn", form="substr(text, start[, length])"),
    "tonumber": Function(_tonumber, 1, 2, kinds="vn", form="tonumber(text[, base])", check=_check_number),
    "tostring": Function(
        _tostring,
        1,
        2,
        kinds="xl",
        nulls=True,
        form='tostring(value[, "hex" | "commas" | "duration"])',
        check=_check_form,
    ),
    "trim": Function(_trim("strip"), 1, 2, kinds="vt", form="trim(text[, characters])"),
    "upper": Function(_of_text(str.upper), 1, 1, kinds="t", form="upper(text)"),
    "urldecode": Function(_of_text(urllib.parse.unquote), 1, 1, kinds="t", form="urldecode(text)"),
}
