"""Notebooks as a service for Splunk's fit, apply and summary."""

__version__ = "0.1.0"
