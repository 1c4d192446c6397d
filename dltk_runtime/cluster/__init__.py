"""Fits on other machines: which node runs which fit.

`placement.py` decides, from what waits and what runs, and does nothing else.
"""
