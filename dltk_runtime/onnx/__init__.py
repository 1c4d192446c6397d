"""Models as ONNX files: conversion in a worker, comparison with the notebook's own apply, scoring.

::

    convert ── to_onnx of the notebook, or the converter of the one estimator in the model
    graph ──── one ONNX model that is run: a frame in, columns out
    comparing  the graph's columns beside those of apply
    sample ─── rows made from the fields' statistics, for a comparison without rows of the user's
"""

DEFAULT_OPSET = 17  # of 2022: read by onnxruntime from 1.12 on, and what an old search head is likeliest to take

# What the metadata of an exported file has: two JSON lists of names, and two texts.
FEATURES, RESULTS, TARGET, SOURCE = "features", "results", "target", "source"
