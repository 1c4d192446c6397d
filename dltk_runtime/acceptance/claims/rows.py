"""Claims about what becomes of the rows and columns of a search."""

from __future__ import annotations

from dltk_runtime.acceptance.claims.claim import MODEL, Claim, Flavour, fit

THREE = "| makeresults count=3 | streamstats count AS x1 | eval x2=1"
UNCHANGED = (
    'stats count AS rows sum(x1) AS total | eval seen="rows ".rows.", sum ".total, ok=if(rows=3 AND total=6,1,0)'
)
APPLIED = f"| makeresults count=2 | eval x1=1, x2=2 | apply app:{MODEL}plain"
PREFIXED = (
    "stats count(predicted_double) AS a count(predicted_half) AS b "
    '| eval seen="double ".a.", half ".b, ok=if(a=2 AND b=2,1,0)'
)
WITH_TARGET = f'| makeresults count=2 | eval x=1, predicted_y="old" | apply app:{MODEL}target'
CLAIMS = (
    Claim(
        "rows_after_failed_fit",
        "After a fit that fails the search goes on with its rows unchanged",
        "protocol 1.3",
        f"{THREE} | {fit('act=fail x1')} | {UNCHANGED}",
        refuted_by_error=True,
    ),
    Claim(
        "rows_after_failed_apply",
        "After an apply that fails the search goes on with its rows unchanged",
        "flows 1.1",
        f"{THREE} | apply app:{MODEL}plain act=fail | {UNCHANGED}",
        refuted_by_error=True,
    ),
    Claim(
        "null_drops_columns",
        "One null in a used field, and only the result's columns are left of all rows",
        "flows 1.2",
        f'{THREE} | eval x2=if(x1=2,null(),x1), other="k" | apply app:{MODEL}plain '
        "| stats count AS rows count(other) AS others "
        '| eval seen="rows ".rows.", with their own columns ".others, ok=if(rows=2 AND others=0,1,0)',
    ),
    Claim(
        "identifiers_change",
        "Every column goes through pandas: 007 becomes 7, also where the model does not use it",
        "flows 1.3",
        f'| makeresults count=2 | eval x1=1, x2=2, code="007" | apply app:{MODEL}plain '
        "| stats count AS n values(code) AS seen | eval ok=if(seen=7,if(len(seen)=1,1,0),0)",
    ),
    Claim(
        "column_replaced",
        "A result's column replaces the search's of the same name",
        "flows 1.4",
        f"{WITH_TARGET} | stats count AS n values(predicted_y) AS seen | eval ok=if(seen=2,1,0)",
    ),
    Claim(
        "other_columns_keep_names",
        "With a target only the first column is renamed; the others keep their names",
        "protocol 1.3",
        f"{WITH_TARGET} | stats count(half) AS seen | eval ok=if(seen=2,1,0)",
    ),
    Claim(
        "prefix_of_apply",
        "Without a target apply prefixes every column with predicted_",
        "protocol 1.3",
        f"{APPLIED} | {PREFIXED}",
        flavours=frozenset({Flavour.DSDL}),
    ),
    Claim(
        "none_of_apply",
        "Without a target apply calls the first column predicted_None, and prefixes no other",
        "protocol 7",
        f"{APPLIED} | stats count(predicted_None) AS a count(half) AS b "
        '| eval seen="predicted_None ".a.", half ".b, ok=if(a=2 AND b=2,1,0)',
        flavours=frozenset({Flavour.AITK}),
    ),
    Claim(
        "prefix_of_fit",
        "Without a target fit prefixes every column with predicted_",
        "protocol 1.3",
        f"| makeresults count=2 | eval x=1 | {fit('x')} | {PREFIXED}",
    ),
)
