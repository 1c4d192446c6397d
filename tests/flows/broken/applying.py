"""Chapter 1: what surprises around fit and apply."""

from __future__ import annotations

from tests.flows.broken.files import GOOD, MACROS, META, OPENED, OTHER, ROLES, SEARCHES, VIEW, Case

CASES: tuple[Case, ...] = (
    (101, "direct", SEARCHES, GOOD, "eval good=1"),
    (101, "direct", SEARCHES, "isnotnull(predicted_y)", "isnull(predicted_y)"),
    (101, "summary", SEARCHES, "| where good=1 | eval", "| eval"),
    (102, "direct", SEARCHES, "| fillnull value=0 f_len f_digits f_vowels \\\n| eventstats", "| eventstats"),
    (102, "direct", SEARCHES, "| fillnull value=0 f_len f_digits f_vowels | where", "| fillnull value=0 f_len | where"),
    (103, "direct", SEARCHES, 'event_key="k".substr', "event_key=substr"),
    (103, "summary", SEARCHES, '| eval entity="e:".entity', "| eval again=entity"),
    (104, "direct", SEARCHES, "| eventstats", '| eval label="a" \\\n| eventstats'),
    (105, "direct", MACROS, "definition = x_v1", "definition = x"),
    (106, "direct", MACROS, "with_version=t", "with_version=t feature_set=v1"),
    (107, "direct", SEARCHES, "| where isnotnull(y)", "| sample partitions=10 | where partition_number<8"),
    (108, "direct", SEARCHES, " \\\n| stats count AS rows_sent", ""),
    (109, "direct", SEARCHES, "sha256(", "md5("),
    (110, "feedback", VIEW, "<row>", OPENED),
    (111, "direct", ROLES, "list_storage_passwords = enabled", ""),
    (111, "direct", ROLES, "upload_lookup_files = enabled", ""),
    (112, "direct", "default/containers.conf", "", "[__dev__]\n"),
    (113, "direct", SEARCHES, "", OTHER),
    (114, "direct", "default/data/ui/views/status.xml", "app:dltk_status", "app:other"),
    (115, "direct", SEARCHES, "from f_len f_digits f_vowels into", "from f_* into"),
    (116, "metrics", ROLES, "dltk_x;dltk_x_metrics", "dltk_x"),
    (116, "direct", ROLES, "dltk_x;main", "dltk_x"),
    (117, "direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ admin, sc_admin ]"),
    (117, "direct", META, "[lookups]\n", "[views]\n"),
    (118, "direct", SEARCHES, "| apply app:`dltk_x_model`", "| apply app:x_v2"),
    (119, "anomalies", MACROS, "coalesce(predicted_outlier,predicted_None)", "predicted_outlier"),
)  # fmt: skip
