"""The environment of a worker process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dltk_runtime import landlock, tls
from dltk_runtime.paths import SITE
from dltk_runtime.secret_names import private_files, variables_without_secrets
from dltk_runtime.settings import VARIABLES, Settings

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def hidden_paths(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return the files and folders that workers and kernels may not read; none if the setting says so."""
    if not settings.hide_files:
        return []
    named = list(filter(None, environ.get(landlock.VARIABLE, "").split(os.pathsep)))  # by the image's start
    if environ.get("RAY_AUTH_MODE") == "token":  # the default of RAY_AUTH_TOKEN_PATH
        named.append(str(Path.home() / ".ray" / "auth_token"))
    return list(dict.fromkeys([*named, *private_files(environ), str(settings.paths.home / tls.FOLDER)]))


def worker_environment(settings: Settings, threads: int) -> dict[str, str]:
    """Return the environment of a worker: this process's own without secrets, plus defaults.

    The numeric libraries read thread counts at their import, so they are set here.
    """
    environ = variables_without_secrets(os.environ)
    search_path = [str(SITE), *filter(None, [environ.get("PYTHONPATH")])]
    defaults = {
        "MPLBACKEND": "Agg",  # no display
        "TF_CPP_MIN_LOG_LEVEL": "2",  # warnings and errors
        # Otherwise glibc returns the memory of each table to the kernel, which zeroes it for the next.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
        "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # models share a GPU
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts, whose indexes people write into settings
    }
    no_gpu = {"CUDA_VISIBLE_DEVICES": ""} if settings.gpu_names == () else {}
    fixed = {
        **no_gpu,
        "DLTK_COMPILED": str(settings.compiled),
        "DLTK_HOME": str(settings.paths.home),
        "DLTK_NOTEBOOKS": str(settings.paths.notebooks),
        "PYTHONPATH": os.pathsep.join(search_path),
        landlock.VARIABLE: os.pathsep.join(hidden_paths(settings, os.environ)),
        VARIABLES["keep_values"].name: str(settings.keep_values).lower(),
        "PANDAS_FUTURE_INFER_STRING": "1" if settings.text == "string" else "0",
        # Published notebooks torch.load whole models; the files come from our own store.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    return {**defaults, **environ, **fixed, **dict.fromkeys(_THREADS, str(threads))}
