"""Claims about Splunk's entries of models: when they are written, who reads them."""

from __future__ import annotations

from dltk_runtime.acceptance.claims.claim import MODEL, Claim, Preparation, entry, fit

ROWS = "| makeresults count=3 | streamstats count AS x"


def _fitted(rows: str, arguments: str) -> str:
    return f"{rows} | {fit(arguments)} | stats count AS rows"


PREPARATIONS = (
    Preparation(
        "plain",
        "a model without a target",
        _fitted(
            "| makeresults count=3 | streamstats count AS x1 | eval x2=x1*2", f'note="a b" x* into app:{MODEL}plain'
        ),
    ),
    Preparation(
        "target",
        "a model with a target",
        _fitted(f"{ROWS} | eval y=x*2", f"y from x into app:{MODEL}target"),
    ),
    Preparation("kept", "a model with parameters", _fitted(ROWS, f"act=facts x into app:{MODEL}kept")),
    Preparation("error", "a fit that fails", _fitted(ROWS, f"act=fail x into app:{MODEL}error")),
    Preparation("staged", "a stage", _fitted(ROWS, f"mode=stage x into app:{MODEL}staged")),
    Preparation("registered", "an entry without a fit", _fitted(ROWS, f"mode=register x into app:{MODEL}registered")),
    Preparation("made", "a further entry", _fitted(ROWS, f"mode=stage x into app:{MODEL}gone")),
    Preparation("removed", "its removal", f"| deletemodel app:{MODEL}gone"),
)
_THERE = "eval ok=if(seen>0,1,0)"
CLAIMS = (
    Claim(
        "entry_after_error",
        "A fit that ends in an error leaves an entry of its model",
        "protocol 1.3, flows 1.5",
        f"{entry('error')} | {_THERE}",
    ),
    Claim(
        "entry_after_stage",
        "An answer without results, as of mode=stage and mode=async, leaves an entry of the model",
        "protocol 1.5",
        f"{entry('staged')} | {_THERE}",
    ),
    Claim(
        "entry_after_register",
        "mode=register leaves an entry, and trains nothing",
        "protocol 1.3, service/register",
        f"{entry('registered')} | {_THERE}",
    ),
    Claim(
        "entry_removed",
        "deletemodel removes the entry",
        "protocol 4",
        f"{entry('gone')} | eval ok=if(seen=0,1,0)",
    ),
    Claim(
        "shipped_entry",
        "An entry that 'dltk models stub' writes, in an app's lookups, is read and applied",
        "protocol 7",
        f"| makeresults | eval x=1 | apply app:{MODEL}shipped as f | `dltk_acceptance_facts` "
        '| stats count(eval(fact="apply.rows" AND value="1")) AS seen | eval ok=if(seen=1,1,0)',
        refuted_by_error=True,
    ),
    Claim(
        "listed",
        "listmodels names each model with its type, the container's class",
        "protocol 4, inventory/models",
        f'| listmodels | search name="{MODEL}plain" | stats count AS n values(type) AS seen '
        '| eval ok=case(n=0,0,seen="MLTKContainer" OR seen="AITKContainer",1,true(),0)',
        refuted_by_error=True,
    ),
    Claim(
        "summary_columns",
        "summary returns one row with summary and api_url_external",
        "protocol 4",
        f"| summary app:{MODEL}plain | stats count AS n count(summary) AS s count(api_url_external) AS a "
        '| eval seen="rows ".n.", summary ".s.", api_url_external ".a, ok=if(n=1 AND s=1 AND a=1,1,0)',
        refuted_by_error=True,
    ),
)
