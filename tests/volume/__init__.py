"""Tests of `dltk_runtime.volume`: whole volumes are backed up, restored, examined and rid of a model."""
