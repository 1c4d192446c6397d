"""Mistakes in the text of searches: commands, fields, values, names, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tests.flows.mutation.edits import (
    ARGUED,
    MACROS,
    SEARCHES,
    TEXT,
    Mistake,
    Texts,
    edit,
    files_of,
    in_searches,
    misspelt,
    replaced,
)

# A command without brackets; a quote or a macro may hold a pipe.
_SEGMENT = re.compile(r"""\|\s(?P<name>[a-z]+)\b(?:[^|"\[\]`\\\n]|"(?:\\.|[^"\\])*"|`[^`]*`)*""")


def dropped_command(texts: Texts) -> Iterator[Mistake]:
    """Drop one command of a search."""
    for path, text in files_of(texts, SEARCHES):
        for block in TEXT.finditer(text):
            for match in _SEGMENT.finditer(text, block.start(), block.end()):
                yield edit("dropped command", path, text, match.span(), "")


def swapped_commands(texts: Texts) -> Iterator[Mistake]:
    """Swap two commands that follow each other in one line."""
    for path, text in files_of(texts, SEARCHES):
        for block in TEXT.finditer(text):
            found = list(_SEGMENT.finditer(text, block.start(), block.end()))
            for one, two in pairwise(found):
                if one.end() == two.start():
                    new = f"{two[0].rstrip()} {one[0].rstrip()} "
                    yield edit("swapped commands", path, text, (one.start(), two.end()), new)


def misspelt_field(texts: Texts) -> Iterator[Mistake]:
    """Misspell the name of a field where it is used or made."""
    names = r"[a-z]+_[a-z_]+|entity|rows|scored|good|label|reviewer|hits|why|y"
    word = rf"""(?<![\w$`."/])(?!dispatch|max_|kind\b)(?:{names})(?![\w(`"/.])"""
    for path, text, match in in_searches(texts, word):
        if not re.search(r"<query|CDATA|search = $", match[0]) and not match[0].startswith("dltk_"):
            yield edit("misspelt field", path, text, match.span(), misspelt(match[0]) if len(match[0]) > 1 else "z")


def misspelt_value(texts: Texts) -> Iterator[Mistake]:
    """Misspell a value that records are told apart by."""
    for path, text, match in in_searches(
        texts, r'\b(?:kind|flow|feature_set|status|p|why|label)\s*=\s*\\?"([\w-]+)\\?"'
    ):
        yield edit("misspelt value", path, text, match.span(1), misspelt(match[1]) if len(match[1]) > 1 else "q")


def wrong_source(texts: Texts) -> Iterator[Mistake]:
    """Read from, or write to, another index, source or sourcetype."""
    yield from replaced("wrong source", texts, r"\bindex=`(\w+)`", "index=summary", r"index=`\1` sourcetype=dns")
    yield from replaced("wrong source", texts, r"\bindex=`(\w+)` flow", r"index=`\1` source=\1_features flow")
    for path, text in files_of(texts, MACROS):
        for match in re.finditer(r"_(?:summary|metrics)\]\ndefinition = (\w+)$", text, re.MULTILINE):
            yield edit("wrong source", path, text, match.span(1), misspelt(match[1]))


def wrong_model(texts: Texts) -> Iterator[Mistake]:
    """Fit or apply another model than the rest of the app, or none."""
    yield from replaced("wrong model", texts, r"app:`(\w+)_model`", r"app:\1_v2", r"app:`\1_modle`")
    yield from replaced("wrong model", texts, r" into app:`\w+_model`", "")
    yield from replaced("wrong model", texts, r"app:dltk_status", "app:dltk_stauts")
    yield from replaced("wrong model", texts, r"`(\w+)_model_text`", r'"\1_v2"')


def other_features(texts: Texts) -> Iterator[Mistake]:
    """Drop, swap or misspell a feature; put the target among the features."""
    for path, text, match in in_searches(texts, r"(?P<target>\w+) from (?P<features>\w+(?: \w+)*) into"):
        target, features = match["target"], match["features"].split()
        kinds = [features[1:], [*features, target], [*features[:-1], misspelt(features[-1])], [*features, "event_key"]]
        for names in kinds:
            if names and path and target != "kind":
                new = f"{target} from {' '.join(names)} into"
                yield edit("other features", path, text, match.span(), new)
        if target != "kind":
            new = f"{features[0]} from {' '.join([target, *features[1:]])} into"
            yield edit("other features", path, text, match.span(), new)
    for path, text, match in in_searches(texts, r"\bfillnull value=0 (\w+(?: \w+)*)"):
        names = match[1].split()
        for left in range(len(names)) if len(names) > 1 else ():
            new = "fillnull value=0 " + " ".join(names[:left] + names[left + 1 :])
            yield edit("other features", path, text, match.span(), new)


def prepared_otherwise(texts: Texts) -> Iterator[Mistake]:
    """Prepare the rows of one search otherwise than those of the others."""
    macro = r"`\w+_(?:prepare|features|rows)`"
    tails = ("| eval entity=upper(entity)", '| eval f_len=f_len*2, entity=entity."x"', "| where len(entity)>12")
    for tail in tails:
        yield from replaced("prepared otherwise", texts, rf"({macro})", rf"\1 {tail}")
    yield from replaced("prepared otherwise", texts, r"fillnull value=0 f_", "fillnull value=-1 f_")
    yield from replaced("prepared otherwise", texts, rf"\| ({macro})", "", r"| eval entity=trim(entity)")
    for path, text, match in in_searches(texts, r"lower\((entity|query)\)"):
        yield edit("prepared otherwise", path, text, match.span(), match[1])


def shifted_span(texts: Texts) -> Iterator[Mistake]:
    """Other spans of bins, and other numbers where the interval is one."""
    yield from replaced("shifted span", texts, r"\bspan=5m\b", "span=1h", "span=1m", "span=7m", "span=10m")
    yield from replaced("shifted span", texts, r"\)/300\)\*300", ")/60)*60", ")/3600)*3600")
    yield from replaced("shifted span", texts, r"now\(\)-(\d+)\)/", r"now()-\g<1>00)/", "now())/")
    yield from replaced(
        "shifted span", texts, r"floor\(info_m(in|ax)_time\)", r"floor(info_m\1_time/3600)*3600", "_time"
    )
    yield from replaced("shifted span", texts, r"floor\(_time\)", "floor(_time/3600)")


def turned_condition(texts: Texts) -> Iterator[Mistake]:
    """Turn a comparison or a connection round."""
    for old, new in (
        (r"(?<=[\w)])<(?=[\w`(])", ">"), (r"(?<=[\w)])>=(?=[\w`(])", "<"), (r"(?<=[\w)])>(?=[\w`(])", "<"),
        (r"\bisnotnull\(", "isnull("), (r"\bisnull\(", "isnotnull("), (r" AND (?!model|\w+=\$)", " OR "),
        (r"(?<=[\w)])=0\b", ">0"), (r"current=f", "current=t"), (r",1,0\)", ",0,1)"), (r"\bmax\(", "min("),
        (r"\bdc\(", "count("), (r" BY event_key", " BY entity"), (r"dedup event_key", "dedup _time"),
    ):  # fmt: skip
        yield from replaced("turned condition", texts, old, new)


def misspelt_macro(texts: Texts) -> Iterator[Mistake]:
    """Misspell the name of a macro where it is called or defined, or call another one."""
    for path, text, match in in_searches(texts, r"(?<!`)`(\w+_(\w+?))`(?!`)"):
        yield edit("misspelt macro", path, text, match.span(1), misspelt(match[1]))
    for path, text in files_of(texts, MACROS):
        for match in re.finditer(r"^\[(\w+)\]$", text, re.MULTILINE):
            yield edit("misspelt macro", path, text, match.span(1), misspelt(match[1]))


def wrong_promotion(texts: Texts) -> Iterator[Mistake]:
    """Promote without a hold-out or a comparison, without waiting, without versions."""
    for part in (r" holdout=\S+", r" promote=\S+", r" mode=async", r" with_version=t"):
        for path, text, match in in_searches(texts, part):
            yield edit("wrong promotion", path, text, match.span(), "", ARGUED["promotion"])
    for path, text, match in in_searches(texts, r"algo=(?!dltk_status)(\w+)"):
        yield edit("wrong promotion", path, text, match.span(1), misspelt(match[1]), ARGUED["promotion"])
    for path, text, match in in_searches(texts, r"promote=(better:\S+)"):
        yield edit("wrong promotion", path, text, match.span(1), "always", ARGUED["promotion"])
        yield edit("wrong promotion", path, text, match.span(1), "better:auc:0.002", ARGUED["promotion"])
    for path, text, match in in_searches(texts, r"holdout=(\S+)"):
        yield edit("wrong promotion", path, text, match.span(1), "0", ARGUED["promotion"])
