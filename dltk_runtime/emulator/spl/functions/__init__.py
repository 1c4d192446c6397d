"""The functions of eval and where, in tables by kind.

::

    function      `Function`: what a function computes and which arguments it takes
    conditions    if, case, like, isnum …      numeric       round, sqrt, min …
    texts         substr, replace, md5 …       multivalue    split, mvindex, mvmap …
    times         strftime, relative_time …    patterns      regular expressions

A context adds the functions of its clock (`times.clock_functions`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.emulator.spl.functions.conditions import CONDITIONS
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.functions.multivalue import MULTIVALUE
from dltk_runtime.emulator.spl.functions.numeric import NUMERIC
from dltk_runtime.emulator.spl.functions.patterns import pattern
from dltk_runtime.emulator.spl.functions.texts import TEXTS
from dltk_runtime.emulator.spl.functions.times import TIMES

FUNCTIONS: Mapping[str, Function] = {**CONDITIONS, **NUMERIC, **TEXTS, **MULTIVALUE, **TIMES}

# Functions that give the same result on every indexer and at every hour, for scheduled searches.
_REPEATABLE = """
    abs case ceil ceiling coalesce exact exp false floor if in isnotnull isnull len like ln log lower match max min now
    null nullif pow replace round sha256 sqrt substr tonumber tostring trim true upper
"""
REPEATABLE = frozenset(_REPEATABLE.split())

__all__ = ["FUNCTIONS", "REPEATABLE", "Function", "pattern"]
