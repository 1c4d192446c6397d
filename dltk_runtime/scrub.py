"""Secrets in text: found in each form in which programs write them, and replaced.

This is the one place with these forms, which `secret_forms` lists. Workers' output and answers, batch
runs, the bundle of ``dltk diag`` and the messages of MLflow's client go through it.

A form is also found across the ends of lines: base64 is wrapped, and consoles break lines. A long one
is found without its first two characters, too, as these may have been shown with an earlier line.
"""

from __future__ import annotations

import codecs
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from dltk_runtime.secret_forms import forms_of

MASK = "[secret]"
MIN_SECRET_CHARACTERS = 4  # a shorter one is part of ordinary text, and is not looked for
HEAD_CHARACTERS = 2  # of a form of `MIN_LONG_CHARACTERS`, without which it is found as well
MAX_WORDS = 8  # of a secret that are looked for before its forms are
MIN_LONG_CHARACTERS = 16  # the rest of a shorter one may be an ordinary word
MIN_HELD_CHARACTERS = HEAD_CHARACTERS + 1  # at the end of a line, which is shown without delay otherwise
MIN_WRAPPED_CHARACTERS = 8  # of a form across lines, and of each whole line in it
MAX_BLANK_CHARACTERS = 1024  # around the ends of lines of a form that comes in pieces
# Ends of lines as they are, and escaped as in JSON, URLs and HTML; two of them, as in Windows' files, are one.
_ENDS = (("\r", "\n"), ("\\r", "\\n"), ("%0D", "%0A"), ("%0d", "%0a"), ("&#13;", "&#10;"))
_FIRSTS = {mark[0] for pair in _ENDS for mark in pair}
_UNFINISHED_ENDS = {mark[:length] for pair in _ENDS for mark in pair for length in range(1, len(mark))}
# What stands around the ends of lines: indentation, quotes, marks that the text goes on. It does not count anywhere.
_AROUND = " \t\\=\"',"
_WORD = re.compile("[A-Za-z0-9]+")
_NOTHING = str.maketrans("", "", _AROUND + "\n")
_REMOVED = re.compile(
    "(?P<end>"
    + "|".join(f"{re.escape(one)}(?:{re.escape(two)})?|{re.escape(two)}" for one, two in _ENDS)
    + f")|[{re.escape(_AROUND)}]"
)


class Scrubber:
    """Replaces secrets in text by `mask`, in a time that is linear in the text."""

    def __init__(self, secrets: Collection[str], mask: str = MASK) -> None:
        self.secrets = tuple(secrets)  # as they were given
        found = {form for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS for form in forms_of(secret)}
        wrapped = {form for form in map(_joined, found) if len(form) >= MIN_WRAPPED_CHARACTERS}
        self._mask = mask
        self._forms, self._wrapped = _by_core(found), _by_core(wrapped)
        words = {_words_of(secret) for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS}
        self._sought, self._wrapped_sought = _Sought(self._forms, words), _Sought(self._wrapped, words)
        self._starts, self._wrapped_starts = _Starts(self._forms.values()), _Starts(self._wrapped.values())

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        for core, whole in self._sought.within(text):
            if core in text:
                for form in whole:
                    text = text.replace(form, self._mask)
        return self._across_lines(text) if self._wrapped else text

    def data(self, data: bytes) -> bytes:
        """Replace secrets in UTF-8 text."""
        if not self:
            return data
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def value(self, value: Any) -> Any:
        """Copy a structure of dicts and lists without its secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return type(value)({self.text(str(key)): self.value(item) for key, item in value.items()})
        return value

    def unfinished(self, text: str) -> int:
        """Return how many characters at the end of `text` may be the beginning of a secret."""
        within = next(self._starts.at_the_end_of(text), 0)
        tail = text[-2 * (self._wrapped_starts.longest + MAX_BLANK_CHARACTERS) :]
        cut = max((len(end) for end in _UNFINISHED_ENDS if tail.endswith(end)), default=0)
        lines = _Lines(tail[:-cut] + "\n" if cut else tail)
        for length in self._wrapped_starts.at_the_end_of(lines.joined):
            start = len(lines.joined) - length
            if lines.may_go_on(start):
                return max(within, len(tail) - lines.origin(start))
        return within

    def _across_lines(self, text: str) -> str:
        """Replace the parts of each form that goes over several lines; the ends of lines stay."""
        if not any(first in text for first in _FIRSTS):
            return text
        joined = _joined(text)
        if not (
            found := [form for core, whole in self._wrapped_sought.within(joined) if core in joined for form in whole]
        ):
            return text
        lines = _Lines(text)
        return _replaced(text, sorted(part for form in found for part in lines.parts_of(form)), self._mask)


class ScrubbedStream:
    """Passes text on that comes in pieces; holds back an end that may be the beginning of a secret."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._rest = ""

    def feed(self, text: str) -> str:
        """Return what can be shown of all text so far, and was not shown yet."""
        if not self._scrubber:
            return text
        text = self._scrubber.text(self._rest + text)
        shown = len(text) - self._scrubber.unfinished(text)
        self._rest = text[shown:]
        return text[:shown]

    def end(self) -> str:
        """Return what was held back, as nothing follows."""
        rest, self._rest = self._rest, ""
        return rest


class ByteStream:
    """Does the same with bytes, which are UTF-8 as a rule; others are passed on as they are."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._stream = ScrubbedStream(scrubber)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown of all bytes so far, and was not shown yet."""
        if not self._scrubber:
            return data
        return self._stream.feed(self._decoder.decode(data)).encode("utf-8", "surrogateescape")

    def end(self) -> bytes:
        """Return what was held back, as nothing follows."""
        rest = self._stream.feed(self._decoder.decode(b"", final=True)) + self._stream.end()
        return rest.encode("utf-8", "surrogateescape")


def _by_core(found: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what to look for first, longest first, and all that is replaced once that is found."""
    cores: dict[str, tuple[str, ...]] = {}
    for form in sorted(found, key=lambda form: (-len(form), form)):
        head = HEAD_CHARACTERS if len(form) >= MIN_LONG_CHARACTERS else 0
        cores[form[head:]] = (*cores.get(form[head:], ()), *(form[at:] for at in range(head + 1)))
    return cores


def _words_of(secret: str) -> tuple[str, ...]:
    """Return the longest words of a secret, which nearly every form of it has as they are, also without its head."""
    return tuple(sorted(set(_WORD.findall(secret[HEAD_CHARACTERS:])), key=len)[-MAX_WORDS:])


class _Sought:
    """The forms to look for in a text: those with all words of a secret only where these stand."""

    def __init__(self, forms: dict[str, tuple[str, ...]], secrets: Collection[tuple[str, ...]]) -> None:
        self._forms, self._secrets = forms, secrets
        self._others = {core: whole for core, whole in forms.items() if not self._has_words(core)}

    def within(self, text: str) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return cores and what is replaced, longest first."""
        return (self._forms if self._has_words(text) else self._others).items()

    def _has_words(self, text: str) -> bool:
        return any(all(word in text for word in words) for words in self._secrets)


class _Starts:
    """Finds the ends of a text with which forms begin."""

    def __init__(self, groups: Iterable[Collection[str]]) -> None:
        self._forms = sorted({form for group in groups for form in group})
        self._firsts = frozenset(form[0] for form in self._forms)
        self.longest = max(map(len, self._forms), default=0)

    def at_the_end_of(self, text: str) -> Iterator[int]:
        """Yield the length of each end of `text` with which a longer form begins, the longest first."""
        for length in range(min(len(text), self.longest - 1), 0, -1):
            if text[-length] in self._firsts:
                end = text[-length:]
                at = bisect_right(self._forms, end)
                if at < len(self._forms) and self._forms[at].startswith(end):
                    yield length


class _Lines:
    """A text as one line, without the characters of `_AROUND`, and where each of the others was."""

    def __init__(self, text: str) -> None:
        self._starts, self._origins, self._lines = [0], [0], [0]
        pieces, begin, length = [], 0, 0
        for found in _REMOVED.finditer(text):
            pieces.append(text[begin : found.start()])
            begin, length = found.end(), length + len(pieces[-1])
            self._starts.append(length)
            self._origins.append(begin)
            if found["end"]:
                self._lines.append(length)
        self.joined = "".join([*pieces, text[begin:]])
        self._open = begin < len(text)  # whether the last line may go on at once

    def origin(self, at: int) -> int:
        """Return the place in the text of a character of `joined`."""
        piece = bisect_right(self._starts, at) - 1
        return self._origins[piece] + at - self._starts[piece]

    def parts_of(self, form: str) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each part, in the text, of each place where `form` goes over several lines."""
        at = self.joined.find(form)
        while at >= 0:
            cuts = self._cuts(at, at + len(form))
            if len(cuts) > 2 and _is_wrapped(cuts[:-1]):
                yield from ((self.origin(start), self.origin(end - 1) + 1) for start, end in itertools.pairwise(cuts))
            at = self.joined.find(form, at + 1)

    def may_go_on(self, start: int) -> bool:
        """Return whether what is at the end of `joined` from `start` on may be the beginning of a form."""
        cuts = self._cuts(start, len(self.joined))
        ended = cuts[:-1] if self._open else cuts
        return _is_wrapped(ended) and (len(ended) < 2 or ended[1] - ended[0] >= MIN_HELD_CHARACTERS)

    def _cuts(self, start: int, end: int) -> list[int]:
        """Return a range's start, the starts of the further lines in it, and its end."""
        first, last = bisect_right(self._lines, start), bisect_left(self._lines, end)
        return [start, *self._lines[first:last], end]


def _is_wrapped(cuts: list[int]) -> bool:
    """Return whether lines between these places, but the first, are as long as those that a program breaks."""
    return all(end - start >= MIN_WRAPPED_CHARACTERS for start, end in itertools.pairwise(cuts[1:]))


def _joined(text: str) -> str:
    """Return `_Lines.joined` of a text, quickly."""
    for mark in (mark for pair in _ENDS for mark in pair if mark[0] in text):
        text = text.replace(mark, "\n")
    return text.translate(_NOTHING)


def _replaced(text: str, parts: Iterable[tuple[int, int]], mask: str) -> str:
    """Replace parts, in the order of their begin; those that overlap are one."""
    kept, shown = [], 0
    for begin, end in parts:
        if begin >= shown:
            kept += [text[shown:begin], mask]
        shown = max(shown, end)
    return "".join([*kept, text[shown:]])


NOTHING_SECRET = Scrubber(())
