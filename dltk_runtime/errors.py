"""What can go wrong. Each error takes facts and writes its own sentence.

::

    DltkError
    ├── SettingInvalid            a variable of the environment cannot be used
    ├── VolumeUnwritable          the folder for models or notebooks cannot be written
    │   ├── VolumeFull
    │   └── FolderMissing
    ├── RequestError              the request cannot be served as it is
    │   ├── BodyTooLarge
    │   ├── BodyInvalid           not JSON, or not the JSON that Splunk sends
    │   ├── DataInvalid           the rows cannot become a frame
    │   ├── FormUnavailable       rows in a form whose library is not installed
    │   ├── NameInvalid           an invalid name of an algorithm or model
    │   ├── AlgorithmMissing      no `algo`, and the model was never fitted
    │   ├── OptionInvalid         a parameter of the runtime has an invalid value
    │   └── Busy                  a queue is full
    ├── NotStaged                 staged data cannot be written
    └── StoreError
        ├── StoreDamaged          files of a version are missing or changed
        └── NotStored             no space, no permission

The errors of one room are in its own ``errors.py``: notebook, jobs, store, server, client, batch, emulator, flows,
splunk, site/dsdlsupport.

Splunk's routes answer every one of them with HTTP 200 and ``status: "error"`` (`server.errors.Unauthorized`
excepted), since on any other status the search shows only that it could not read JSON. `http_status` is for
our own routes.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

FULL_TEXTS, PLACE_ONLY = "full", "place"  # values of `DLTK_ERROR_TEXTS`

# The openings of messages that dashboards and people look for (protocol 1.3).
BAD_JSON = "unable to parse json from POST data"
BAD_DATA = "unable to convert raw data to pandas dataframe"
NOT_STAGED = "unable to stage dataframe"
NOT_LOADED = "unable to load algo code from module"
NOT_EXPORTED = "unable to export the model as ONNX"
NOT_INITIALIZED = "unable to initialize module"
NOT_FITTED = "unable to fit model"
NOT_SAVED = "unable to save model"
NOT_APPLIED = "unable to apply model"
# How the messages of a success begin.
FIT_DONE = "/fit done successfully"
APPLY_DONE = "/apply done successfully"


MAX_COMPARED_CHARACTERS = 200  # of a name; the comparison of two names takes quadratic time


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`; None if none is close to it, or if it is long."""
    if len(name) > MAX_COMPARED_CHARACTERS:
        return None
    short = [each for each in known if len(each) <= MAX_COMPARED_CHARACTERS]
    return next(iter(difflib.get_close_matches(name, short, n=1)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'umap'?`` for a name close to a known one, else nothing."""
    found = closest(name, known)
    return f" Did you mean {found!r}?" if found is not None else ""


def shown(text: str, limit: int = 60) -> str:
    """`text` as a message may repeat it: quoted, escaped and cut to `limit` characters."""
    return repr(text if len(text) <= limit else text[:limit] + "…")


class DltkError(Exception):
    """The root of the tree. `opening` is the text that Splunk's dashboards match."""

    http_status = 500
    exit_code = 1  # of a command that ends with it; `commands.Exit` lists them
    opening = ""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    @property
    def place(self) -> str:
        """The type of the error, and where it happened: all of it that holds no data."""
        return type(self).__name__

    def worded(self, texts: str) -> str:
        """Return what logs, records and events may say of it, by `DLTK_ERROR_TEXTS`."""
        return self.sentence if texts == FULL_TEXTS else self.place


class SettingInvalid(DltkError):
    """A variable of the environment that cannot be used."""

    exit_code = 78

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        super().__init__(f"Invalid {variable}={shown(value)}: expected {wanted}.")


class VolumeUnwritable(DltkError):
    """A folder for models, jobs or notebooks cannot be written."""

    exit_code = 73

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"{folder} cannot be written by user {os.getuid()}, group {os.getgid()}: {cause}. Make that group the "
            "owner of the volume, with write permission (chgrp -R and chmod -R g+rwX), or mount another one."
        )


class VolumeFull(VolumeUnwritable):
    """There is no space for models, jobs or notebooks."""

    exit_code = 74

    def __init__(self, folder: Path) -> None:
        DltkError.__init__(self, f"{folder} is full. Remove files that are no longer needed, or enlarge the volume.")


class FolderMissing(VolumeUnwritable):
    """A file or a link, which a notebook can make, has the place of a folder."""

    def __init__(self, folder: Path) -> None:
        DltkError.__init__(self, f"{folder} is no folder. Move away what is there: the next start makes the folder.")


class RequestError(DltkError):
    """The request cannot be served as it is."""

    http_status = 400
    opening = BAD_JSON


class BodyTooLarge(RequestError):
    """More bytes than `DLTK_MAX_BODY` allows."""

    http_status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The request is larger than the limit of {limit:,} bytes. "
            "Send fewer rows or fields, or raise DLTK_MAX_BODY on the container."
        )


class BodyInvalid(RequestError):
    """The body is not the JSON object that Splunk sends."""


class DataInvalid(RequestError):
    """`data` cannot become a frame."""

    opening = BAD_DATA


class FormUnavailable(RequestError):
    """Rows in a form that this installation cannot read or write."""

    http_status = 501

    def __init__(self, form: str, library: str, extra: str) -> None:
        super().__init__(
            f"{form} needs {library}, which is not installed here. "
            f"The image has it; in a clone of dltk-runtime run pip install '.[{extra}]'. Or send CSV."
        )


class NameInvalid(RequestError):
    """A name that must not become a path or an import."""

    opening = NOT_LOADED

    def __init__(self, kind: str, name: str, fault: str = "") -> None:
        rule = "start with a letter or underscore, followed by letters, digits and underscores"
        if kind == "algorithm":
            rule = (
                "start with a letter, digit or underscore, followed by letters, digits, underscores, dashes and blanks"
            )
        beyond = f"; this one {fault}" if fault else ""
        super().__init__(f"Invalid {kind} name {shown(name)}: names {rule}, 128 characters at most{beyond}.")


class AlgorithmMissing(RequestError):
    """Neither the request nor the store names the algorithm."""

    opening = NOT_LOADED

    def __init__(self, model: str | None) -> None:
        found = f", and no algorithm was fitted into a model named {model!r}" if model else ""
        super().__init__(f"The search names no algorithm{found}. Add algo=<name of a notebook> to the search.")


class OptionInvalid(RequestError):
    """A parameter of the runtime itself has an invalid value."""

    opening = NOT_INITIALIZED

    def __init__(self, name: str, value: str, wanted: str, hint: str = "") -> None:
        super().__init__(f"Invalid {name}={shown(value)}: expected {wanted}.{hint}")


class Busy(RequestError):
    """Too many requests wait already."""

    http_status = 503
    opening = ""

    def __init__(self, what: str, waiting: int, setting: str) -> None:
        super().__init__(
            f"{waiting} requests already wait for {what}. Try again later, or raise {setting} on the container."
        )


class NotStaged(DltkError):
    """Staged data could not be written."""

    opening = NOT_STAGED

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(f"{folder} cannot be written: {cause}. Check its permissions and free space.")


LONGEST_TEXT = 64 * 1024  # characters of one text in a record; a traceback can repeat a whole frame


def cut(text: str) -> str:
    """`text`, or its two ends when it is longer than a record may hold."""
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"


class StoreError(DltkError):
    """The model store."""

    opening = NOT_APPLIED


class StoreDamaged(StoreError):
    """Files of a version are missing or changed: a state that who asks can end, and no fault of the program."""

    http_status = 409


class NotStored(StoreError):
    """A version could not be written: no space, no permission."""

    opening = NOT_SAVED
