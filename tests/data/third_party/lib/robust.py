"""Beside the notebooks, on a path that they add."""


def median_distance(frame, median):
    return (frame - median).abs().max(axis=1)
