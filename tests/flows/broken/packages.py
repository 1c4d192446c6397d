"""Chapter 7: what AppInspect and Splunk refuse."""

from __future__ import annotations

from tests.flows.broken.files import APP, INDEXES, META, OVERVIEW, ROLES, SEARCHES, VIEW, Case

CASES: tuple[Case, ...] = (
    (701, "direct", APP, "name = dltk_flow_x", "name = other"),
    (701, "direct", "app.manifest", "", '{"info": {"id": {"name": "other"}}}'),
    (701, "direct", "app.manifest", "", "{"),
    (702, "direct", APP, "label = DLTK flow x", "label = x"),
    (703, "direct", APP, "is_configured = 0", "is_configured = 1"),
    (704, "direct", "local/macros.conf", "", "[dltk_x_base]\ndefinition = index=dns\n"),
    (705, "direct", "default/.hidden", "", "x\n"),
    (706, "direct", "bin/run.sh", "", "#!/bin/sh\n"),
    (707, "direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ * ]"),
    (707, "direct", META, "write : [ dltk_x_runner, admin, sc_admin ]", "write : [ admin ]"),
    (708, "direct", "default/limits.conf", "", "[search]\n"),
    (709, "direct", "../dltk_flow_x_indexes/" + INDEXES, "repFactor = auto", "maxTotalDataSizeMB = 5"),
    (709, "direct", "../dltk_flow_x_indexes/" + INDEXES, "repFactor = auto", "repFactor = 0"),
    (710, "direct", SEARCHES, "dispatch.earliest_time = -12m@m", "dispatch.earliest_time = rt-12m"),
    (711, "direct", ROLES, "[role_dltk_x_runner]", "[role_Dltk_x_runner]"),
    (712, "direct", APP, "check_for_updates = 0", "check_for_updates = 1"),
    (713, "direct", OVERVIEW, ' version="2"', ""),
    (713, "feedback", VIEW, ' version="1.1"', ""),
    (714, "direct", SEARCHES, "enableSched = 0", "enableSched = 1"),
    (715, "direct", META, "export = none", "export = none\nowner = anna"),
    (716, "direct", SEARCHES, "enableSched = 0", "enableSched = 0\ndisabled = 1"),
    (721, "direct", OVERVIEW, '"stackMode"', '"stackmode"'),
    (721, "direct", OVERVIEW, '"inputs"', '"input"'),
    (722, "direct", OVERVIEW, "#118832", "#ccffcc"),
)  # fmt: skip
