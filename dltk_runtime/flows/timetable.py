"""When the searches of a flow start, and which times they read: values of the templates."""

from __future__ import annotations

from dltk_runtime.flows import windows
from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.kinds import Kind, Scoring, Source

MIN_LATE_DAYS = 30  # that scoring looks back for rows written late
SOURCE_DAYS = 7  # that the alert on late events looks back, the lag aside
# Minutes of hourly searches and hours of daily ones, after the flow's own minute and the hour of training.
HOURLY_MINUTES = {
    "health_cron": 17,
    "gaps_cron": 23,
    "found_cron": 29,
    "risk_cron": 31,
    "source_cron": 37,
    "incomplete_cron": 41,
    "unscored_cron": 47,
}
DAILY_HOURS = {"train_cron": 0, "audit_cron": 1, "report_cron": 4}


def timetable(flow: Flow) -> dict[str, object]:
    """Return schedules, windows and what follows from their length, by the name in the templates."""
    return {**_starts(flow), **_of_windows(flow)}


def _of_windows(flow: Flow) -> dict[str, object]:
    """Return what follows from the length of a window."""
    return {
        "period_seconds": str(flow.period * 60),
        "long_windows": flow.interval > windows.HOUR_MINUTES,
        "several_windows": flow.several_windows,
        "windows_before": range(windows.windows_of_a_start(flow.interval) - 1) if flow.several_windows else (),
        "begin": windows.begin(flow.interval, flow.zone),
        "beyond": str(_beyond(flow)),
        "ended_seconds": str(windows.ended(flow.interval) * 60),
        "late_days": str(max(MIN_LATE_DAYS, flow.train_days)),
        "source_days": str(SOURCE_DAYS + -(-flow.lag // windows.DAY_MINUTES)),
        "window_end_of_event": _end_of_window(flow),
        "read_at": windows.read_at(flow.interval, flow.offset, flow.lag, flow.zone),
    }


def _end_of_window(flow: Flow) -> str:
    """Return SPL that adds `win_end` to raw events, the end of the window that each lies in, in epoch seconds."""
    if flow.interval <= windows.HOUR_MINUTES:
        seconds = flow.period * 60
        return f"| eval win_end=(floor(_time/{seconds})+1)*{seconds} "
    begin = f"`dltk_{flow.name}_begin`"
    return f"| eval at=_time | {begin} | eval at=at+{_beyond(flow)} | {begin} | eval win_end=at "


def _beyond(flow: Flow) -> int:
    """Return the seconds from the beginning of a window that lead into the next one."""
    return windows.INTO_NEXT_DAY_SECONDS if flow.interval == windows.DAY_MINUTES else flow.interval * 60


def _starts(flow: Flow) -> dict[str, str]:
    """Return schedules and windows in minutes; scoring follows two minutes after the features.

    Windows begin at multiples of the interval, as the bins of ``tstats`` and ``mstats`` do: the
    lags are the least ones for that. The minutes of other searches differ between flows.
    """
    every, hourly_at_least = flow.period, min(flow.period, windows.HOUR_MINUTES)
    late = (flow.offset + 2) % hourly_at_least
    lag = flow.lag if every > windows.HOUR_MINUTES else windows.aligned(flow.lag, flow.offset, every)
    behind = windows.aligned(flow.lag, late, every) + (0 if flow.scoring is Scoring.RAW else every)
    scored = behind if flow.kind is Kind.SUMMARY and flow.source is not Source.EVENTS else lag
    shift = windows.minute_of(flow.name, 60)
    hourly = {name: f"{(shift + minute) % 60} * * * *" for name, minute in HOURLY_MINUTES.items()}
    known = windows.aligned(flow.lag, (shift + 11) % 60, every)
    daily = {name: f"{(shift + 11) % 60} {(flow.train_hour + hour) % 24} * * *" for name, hour in DAILY_HOURS.items()}
    return (
        hourly
        | daily
        | {
            "cron": windows.cron(flow.interval, flow.offset, flow.lag, flow.zone),
            "late_cron": f"{late}-59/{hourly_at_least} * * * *",
            "window_start": str(lag + windows.reach(flow.interval)),
            "window_end": str(lag),
            "behind_start": str(behind + every),
            "behind_end": str(behind),
            "truth_start": str(known + windows.DAY_MINUTES),
            "truth_end": str(known),
            "late_start": str(hourly_at_least + 2),
            "late_end": "2",
            "gap_seconds": str((scored + 2 * every + windows.ended(flow.interval) - every) * 60),
            "unscored_seconds": str(max(60, lag + 3 * every) * 60),
        }
    )
