"""Files of an app, and texts that break rules there."""

from __future__ import annotations

Case = tuple[int, str, str, str, str]  # rule, kind of flow, file, what stands there ("" appends), what then does

SEARCHES, MACROS, APP = "default/savedsearches.conf", "default/macros.conf", "default/app.conf"
VIEW = "default/data/ui/views/review.xml"
ROLES, META, INDEXES = "default/authorize.conf", "metadata/default.meta", "default/indexes.conf"
COLLECTIONS, TRANSFORMS = "default/collections.conf", "default/transforms.conf"
OPENED = "<row><panel><table><search><query>| makeresults | collect index=x</query></search></table></panel>"
OTHER = (
    "[other]\nsearch = index=a | fit `dltk_x_algo` `dltk_x_fit` y from f_len into app:x_v1 | stats count AS rows_sent\n"
)
STUDIO = (
    '<dashboard version="2"><definition>{"dataSources": {"ds_a": {"type": "ds.search", "options": {"query": '
    '"| makeresults | outputlookup x.csv"}}}}</definition></dashboard>'
)
OVERVIEW, QUALITY = "default/data/ui/views/overview.xml", "default/data/ui/views/quality.xml"
GOOD = "eval good=if(isnotnull(event_key) AND isnotnull(predicted_y) AND isnotnull(rows_in),1,0)"
