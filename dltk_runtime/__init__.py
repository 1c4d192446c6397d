"""Notebooks as a service for Splunk's fit, apply and summary."""

from dltk_runtime.reporting import progress

__all__ = ["__version__", "progress"]
__version__ = "0.1.0"
