"""What the stand-in does, line by line, and where that is written. Each fact has a check of its name.

Sources: ``protocol`` are the notes on the interface that searches rely on, by section; ``pains``
those on what hurts users of the old container, by number. What neither says is in `OURS`.
"""

from __future__ import annotations

FACTS = {
    "a_fit_answers_rows_as_csv": "protocol 1.3: status, message, results; results only on success",
    "success_texts": "protocol 1.3: '/fit done successfully', '/apply done successfully'",
    "staging_writes_two_files": "protocol 1.4: mode=stage writes <model>.csv and .json and stops; text of 1.3",
    "a_stage_left_in_the_parameters_does_not_stop_an_apply": "protocol 1.2: params.mode may still be stage on /apply",
    "order_of_calls": "protocol 1.4: summary, init, summary, fit, save, apply; load (when not in memory), apply",
    "names_of_saved_models": "protocol 1.4: save(model, '<algo>_<model>'), load('<algo>_<model>')",
    "model_without_into": "protocol 1.1: absent without `into`: the model is called default",
    "errors_are_status_200": "protocol 1: every other failure is HTTP 200 with status 'error'",
    "openings_of_errors": "protocol 1.3: errors begin '/fit: ERROR: ' and the step that failed",
    "errors_have_one_line": "pains 2: `Ended with exception: 'x'`, no type, cell or line",
    "token": "protocol 1: 401 with detail and WWW-Authenticate without the token; three forms of the header",
    "summary": "protocol 1: GET /summary and GET / give a JSON string that holds JSON, of the model used last",
    "graphics": "protocol 1: GET /graphics/<file> needs no token",
    "compute_is_retired": "protocol 1: POST /compute gives 410",
    "non_ascii_is_escaped": "protocol 1: JSON escapes non-ASCII as \\uXXXX",
    "data_is_read_as_pandas_reads_it": "protocol 1.2: exactly the semantics of pandas.read_csv(data)",
    "results_pass_through_a_frame": "protocol 1.3: pandas.DataFrame(x); unnamed columns are 0, 1, …",
    "one_request_at_a_time": "pains 3: one fit blocks every apply, /summary and every probe",
    "a_fit_overwrites_the_only_copy": "pains 4: a retrain overwrites; a crash during save leaves a broken file",
    "stale_code": "pains 5: an edited module runs on as it was imported first",
}

# What notebooks rely on; `test_contract` has a check of each name.
CONTRACT = {
    "helpers_are_imported_as_app_model": "protocol 2: notebooks import helpers as app.model.<helper>",
    "files_lie_where_notebooks_look": "protocol 2: /srv/app/model/data, /srv/notebooks/data, /srv/app/graphics",
    "parameters_keep_their_quotes": "protocol 1.1: values are always strings with their quotes kept",
    "a_session_key_reaches_the_notebook": "protocol 1.1: options.session_key, in older clients search_info.session_key",
    "an_apply_names_no_target": "protocol 1.2: apply carries options and feature_variables only",
    "a_function_stage_is_never_called": "protocol 2: stage(name) is for people; protocol 1.4 has no call of it",
    "a_save_that_stores_nothing_is_lost": "protocol 2: a save may store nothing; 1.4: load when not in memory",
    "a_summary_before_any_model": "protocol 1: `no model exists`",
}

# Neither source says these; the stand-in had to do something.
OURS = (
    "It speaks HTTP/1.0 and closes after each answer.",
    "One model is in memory: that of the last fit or apply. Another one is loaded (protocol 1.4; pains 5 says always).",
    "A failed fit leaves the model in memory as it was before.",
    "The text after an error's opening: '. Ended with exception: ' and the exception's text in quotes.",
    "The texts of 401, 404 and 410, and the field `version`.",
    "Modules are <home>/app/model/<algo>.py, imported as app.model.<algo>.",
    "A request without `algo` in its parameters, an apply too, is an error: 'unable to parse json from POST data'.",
    "A module without summary, save or load is loaded; the call that needs the function gets no answer at all.",
    "There is no package dsdlsupport: a module that imports it does not load.",
    "Every picture is sent as image/png, whatever its name ends in.",
    "Paths in modules are written for this machine when the module is written, where a container has /srv.",
)
