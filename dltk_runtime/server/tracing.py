"""Traces for Splunk Observability (`olly_enabled`): a span per request and per phase.

The server measures the phases, on both sides of the process boundary; no tracing runs in workers.
OpenTelemetry's own variables (OTEL_SERVICE_NAME, OTEL_TRACES_EXPORTER, SPLUNK_ACCESS_TOKEN, …) set
the destination; splunk-opentelemetry reads them. It sends in a thread of its own, and drops what it
cannot send: no request waits.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from dltk_runtime import logs
from dltk_runtime.call import Call
from dltk_runtime.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

INSTALL = (
    "olly_enabled turns tracing on, but splunk-opentelemetry is not installed. "
    "Install it with 'pip install splunk-opentelemetry', or unset olly_enabled."
)
CHECK = "Correct the OTEL_ variables (OTEL_TRACES_EXPORTER names an exporter that is installed), or unset olly_enabled."
ATTRIBUTES = ("algorithm", "model", "version", "rows", "job")


class Tracing:
    """The tracer of one server."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("dltk-runtime")

    @classmethod
    def of(cls, settings: Settings) -> Tracing | None:
        """Return the tracer that the settings ask for, None if they do not.

        None, too, with a line in the log, where it cannot start: a container that Splunk starts with
        `olly_enabled` serves without traces, as DSDL's does.
        """
        if not settings.tracing:
            return None
        prepare_tracing()
        try:
            importlib.import_module("splunk_otel").init_splunk_otel()
            from opentelemetry.trace import get_tracer_provider
        except ImportError as error:
            logs.event("not traced", logging.WARNING, cause=str(error), advice=INSTALL)
            return None
        except Exception as error:  # noqa: BLE001 - OpenTelemetry raises what it likes, as for an unknown exporter
            logs.event("not traced", logging.WARNING, cause=f"{type(error).__name__}: {error}", advice=CHECK)
            return None
        return cls(get_tracer_provider())

    def answered(self, call: Call, outcome: str, seconds: float) -> None:
        """Trace a request that was answered just now, `seconds` after it came."""
        from opentelemetry import trace

        end = time.time_ns()
        start = end - _ns(seconds)
        known = call.facts.known()
        facts = {f"dltk.{name}": known[name] for name in ATTRIBUTES if name in known}
        attributes: dict[str, Any] = {"http.route": call.route, "dltk.request": call.id, **facts}
        kind = trace.SpanKind.SERVER
        span = self._tracer.start_span(f"POST {call.route}", start_time=start, attributes=attributes, kind=kind)
        if outcome != "success":
            span.set_status(trace.StatusCode.ERROR, outcome)
        self._trace_phases(call.facts.phases, span, start)
        span.end(end)

    def _trace_phases(self, phases: dict[str, float], parent: Span, start: int) -> None:
        """Add one span for each phase, one after another as they were entered."""
        from opentelemetry.trace import set_span_in_context

        context = set_span_in_context(parent)
        for name, spent in phases.items():
            end = start + _ns(spent)
            self._tracer.start_span(name, context, start_time=start).end(end)
            start = end


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


# Traces alone: logs would repeat what notebooks print. An absent collector must not delay the
# server's end.
_DEFAULTS = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}


def prepare_tracing(environ: MutableMapping[str, str] | None = None) -> None:
    """Set defaults for OpenTelemetry's own variables, before it reads them."""
    environ = os.environ if environ is None else environ
    for name, value in _DEFAULTS.items():
        environ.setdefault(name, value)
