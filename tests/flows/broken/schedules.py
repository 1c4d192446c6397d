"""Chapter 2: schedules."""

from __future__ import annotations

from tests.flows.broken.files import SEARCHES, Case

CASES: tuple[Case, ...] = (
    (201, "direct", SEARCHES, "realtime_schedule = 0", ""),
    (202, "direct", SEARCHES, "schedule_window = 0", "schedule_window = auto"),
    (203, "direct", SEARCHES, "allow_skew = 0", "allow_skew = 50%"),
    (204, "direct", SEARCHES, "max_concurrent = 1", "max_concurrent = 2"),
    (205, "direct", SEARCHES, "dispatch.allow_partial_results = false", ""),
    (206, "direct", SEARCHES, "durable.track_time_type = _time", ""),
    (207, "direct", SEARCHES, "durable.backfill_type = time_interval", ""),
    (208, "direct", SEARCHES, "durable.lag_time = 0", "durable.lag_time = 60"),
    (209, "direct", SEARCHES, "-12m@m", "-17m@m"),
    (210, "direct", SEARCHES, "dispatch.latest_time = -7m@m", "dispatch.latest_time = now"),
    (211, "direct", SEARCHES, "-12m@m", "-10m@5m"),
    (212, "direct", SEARCHES, "2-59/5 * * * *", "* * * * *"),
    (213, "direct", SEARCHES, "dispatch.earliest_time = -30d@h", ""),
    (214, "summary", SEARCHES, "dispatch.index_earliest = -7m@m", ""),
    (215, "direct", SEARCHES, "alert.track = 1", "alert.track = 0"),
    (216, "direct", SEARCHES, 'kind="prediction", flow="x"', 'kind="prediction", flow="x", day=strftime(_time,"%d")'),
    (216, "summary", SEARCHES, "| fillnull value=0 f_len", "| bin _time span=7m | fillnull value=0 f_len"),
    (217, "direct", SEARCHES, "max_concurrent = 1", "max_concurrent = 1\nallow_data_time_skew = 1"),
    (218, "summary", SEARCHES, "4-59/5 * * * *", "2-59/5 * * * *"),
    (219, "summary", SEARCHES, "durable.track_time_type = _indextime", "durable.track_time_type = _time"),
    (220, "summary", SEARCHES, "BY event_key | where n=0", "BY entity | where n=0"),
    (221, "direct", SEARCHES, "alert.suppress = 1", ""),
    (221, "direct", SEARCHES, "alert.suppress.fields = entity\n", ""),
    (222, "direct", SEARCHES, "schedule_priority = higher", "dispatch.max_time = 60"),
)  # fmt: skip
