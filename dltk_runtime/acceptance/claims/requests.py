"""Claims about what Splunk sends; the notebook tells of what it got, in forms and never in values."""

from __future__ import annotations

from dltk_runtime.acceptance.claims.claim import MODEL, Claim, fact, fit, judge


def _asked(search: str, name: str, condition: str) -> str:
    return f"{search} | {fact(name)} | {judge(condition)}"


PLAIN = f"| makeresults | eval x1=1, x2=2 | apply app:{MODEL}plain act=facts as f"
CLAIMS = (
    Claim(
        "no_search_id",
        "A request names no search: neither search_info.sid nor dispatch_dir comes with it",
        "protocol 1.1: of 56 recorded samples only one has one, of a client of 2019",
        _asked(PLAIN, "apply.search_id", 'seen="no"'),
    ),
    Claim(
        "no_target_on_apply",
        "An apply names no target_variables, also for a model with a target",
        "protocol 1.2",
        # Of a model that was fitted here, our container puts them back before the notebook sees the request.
        _asked(f"| makeresults | eval x=1 | apply app:{MODEL}shipped as f", "apply.target_variables", 'seen="no"'),
    ),
    Claim(
        "quotes_kept",
        "Parameters are text, with the quotes around them",
        "protocol 1.1",
        _asked(PLAIN, "fit.note", 'seen="quoted text"'),
    ),
    Claim(
        "limits_are_text",
        "mlspl_limits come with a fit, and max_fit_time is text",
        "protocol 1.1",
        _asked(PLAIN, "fit.max_fit_time", 'seen="text"'),
    ),
    Claim(
        "globs",
        "feature_variables has globs expanded, options.feature_variables has them as typed",
        "protocol 1.1",
        _asked(PLAIN, "fit.features", 'seen="x1 x2 typed x*"'),
    ),
    Claim(
        "params_replaced",
        "Parameters of an apply replace all of the fit's, also algo",
        "protocol 1.2",
        _asked(PLAIN, "apply.params", 'seen="act"'),
    ),
    Claim(
        "params_kept",
        "An apply without parameters comes with those of the fit",
        "protocol 1.2",
        _asked(f"| makeresults | eval x=1 | apply app:{MODEL}kept as f", "apply.params", 'seen="act algo"'),
    ),
    Claim(
        "time_is_a_number",
        "_time arrives as epoch seconds, not as a date",
        "protocol 1.2",
        _asked(f"| makeresults count=2 | {fit('act=facts _time as f')}", "fit.kind._time", 'seen="number"'),
    ),
    Claim(
        "empty_column_left_out",
        "A column without any value in a chunk is not sent",
        "flows 1.2",
        _asked(
            f"| makeresults count=2 | eval x1=1, x2=null() | apply app:{MODEL}plain act=facts as f",
            "apply.columns",
            'seen="x1"',
        ),
    ),
    Claim(
        "chunks",
        "An apply is called with at most 50,000 rows",
        "protocol 1",
        f"| makeresults count=50001 | eval x1=1, x2=2 | apply app:{MODEL}plain act=size as f "
        f"| eval size=coalesce(f_size,f) | stats count AS n max(size) AS seen | {judge('seen=50000')}",
    ),
    Claim(
        "partial_fit",
        "partial_fit=true calls fit once for each 50,000 rows, into one model",
        "protocol 4",
        f"| makeresults count=50001 | eval x=1 | {fit(f'act=size partial_fit=true x into app:{MODEL}partial as f')} "
        f"| eval size=coalesce(f_size,f) | stats count AS n max(size) AS seen | {judge('seen=50000')}",
        refuted_by_error=True,
    ),
    Claim(
        "max_inputs",
        "A fit gets 100,000 rows at most, a sample of more, unless somebody changed max_inputs",
        "flows 1.9",
        _asked(f"| makeresults count=100001 | eval x=1 | {fit('act=facts x as f')}", "fit.rows", "seen=100000"),
    ),
)
