"""Files: folders, the rights of new files, and what job records and logs keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.errors import FULL_TEXTS, PLACE_ONLY
from dltk_runtime.setting_types import as_bytes, as_path, as_positive, as_store, as_umask, one_of, setting
from dltk_runtime.units import MIB


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files: folders, the rights of new files, and what job records and logs keep."""

    __slots__ = ()

    home: Path = setting(
        "DLTK_HOME", Path(".dltk"), "a path", as_path, "models, jobs, graphics, certificates; /srv in the image"
    )
    notebooks: Path = setting(
        "DLTK_NOTEBOOKS", Path("notebooks"), "a path", as_path, "the notebooks' folder; /srv/notebooks in the image"
    )
    store: str = setting(
        "DLTK_STORE",
        "",
        "s3://bucket/folder, gs://bucket/folder or az://account/container/folder",
        as_store,
        "object store for the versions of models, in place of a folder of DLTK_HOME; unset: that folder",
    )
    umask: int = setting(
        "DLTK_UMASK",
        0o077,
        "an octal number such as 077",
        as_umask,
        "rights that new files lack, as for the command umask; unset: 077, files are their owner's alone; 007 in the "
        "image, where users differ and group 0 does not",
    )
    keep_jobs: int = setting("DLTK_KEEP_JOBS", 1000, "an integer from 1", as_positive, "newest job records kept")
    error_texts: str = setting(
        "DLTK_ERROR_TEXTS",
        FULL_TEXTS,
        "full or place",
        one_of(FULL_TEXTS, PLACE_ONLY),
        "what log, job records and events keep of an exception: text and traceback too, or only type, cell and line",
    )
    log_bytes: int = setting(
        "DLTK_LOG_BYTES",
        MIB,
        "a size such as 1M",
        as_bytes,
        "size of a job's log: half of it from the start of the printed text, half from the end",
    )
    log_level: str = setting(
        "DLTK_LOG_LEVEL",
        "info",
        "debug, info, warning or error",
        one_of("debug", "info", "warning", "error"),
        "the least severe lines of the server's log that are written",
    )
