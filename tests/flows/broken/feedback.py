"""Chapter 6: queue, labels, dashboards."""

from __future__ import annotations

from tests.flows.broken.files import COLLECTIONS, MACROS, META, ROLES, SEARCHES, STUDIO, TRANSFORMS, VIEW, Case

CASES: tuple[Case, ...] = (
    (601, "feedback", MACROS, "outputlookup append=t key_field=_key", "outputlookup"),
    (602, "feedback", MACROS, "_key dltk_x_queue", "_key dltk_x_labels"),
    (603, "feedback", MACROS, "_key dltk_x_queue", "_key dltk_x_params"),
    (604, "feedback", TRANSFORMS, "fields_list = _key, ", "fields_list = "),
    (605, "feedback", COLLECTIONS, "= number", "= array"),
    (606, "feedback", MACROS, "lookup local=true dltk_x_params", "lookup dltk_x_params"),
    (607, "feedback", SEARCHES, 'isnull(label) OR label=""', "isnull(label)"),
    (608, "direct", SEARCHES, "| where isnotnull(y)", "| where isnotnull(y) | join entity [ search index=a ]"),
    (609, "feedback", SEARCHES, "sort 0 - dga_score", "sort - dga_score"),
    (610, "feedback", MACROS, "| sort 0 -sampled -dga_score | head `", "| head `"),
    (611, "feedback", "default/data/ui/views/studio.xml", "", STUDIO),
    (612, "feedback", VIEW, "$verdict|s$", '"$verdict$"'),
    (612, "feedback", VIEW, "$env:user|s$", '"$env:user$"'),
    (612, "feedback", VIEW, "$key|s$", '"$row.key$"'),
    (612, "feedback", VIEW, "$note|s$", "$note|n$"),
    (613, "feedback", VIEW, '<search id="label_search">', '<search id="label_search" base="queue_search">'),
    (614, "feedback", VIEW, "done>", "did>"),
    (615, "feedback", META, "[collections/dltk_x_labels]", "[collections/other]"),
    (616, "feedback", ROLES, "output_file = enabled", ""),
    (616, "direct", ROLES, "run_custom_command = enabled", ""),
    (616, "direct", ROLES, "schedule_search = enabled", ""),
    (617, "feedback", MACROS, "append=t key_field=_key", "append=t allow_updates=f key_field=_key"),
    (618, "feedback", SEARCHES, " AND sampled=1", ""),
    (619, "feedback", SEARCHES, 'index=`dltk_x_summary` flow="x" kind="label"', "| inputlookup dltk_x_labels | search"),
    (620, "direct", SEARCHES, "collect index=`dltk_x_summary` addinfo=f", "outputlookup x.csv"),
)  # fmt: skip
