"""What can go wrong. Each error takes facts and writes its own sentence.

::

    DltkError
    ├── SettingInvalid            a variable of the environment cannot be used
    ├── TokenMissing              the server has no api_token
    ├── AddressInvalid            the server cannot listen where it was told to
    ├── CertificateInvalid        the server cannot use its TLS certificate or key
    ├── VolumeUnwritable          the folder for models or notebooks cannot be written
    │   └── VolumeFull
    ├── RequestError              the request cannot be served as it is
    │   ├── Unauthorized          401, the one failure that is not HTTP 200 on Splunk's routes
    │   ├── BodyTooLarge
    │   ├── BodyInvalid           not JSON, or not the JSON that Splunk sends
    │   ├── NameInvalid           an algorithm's or model's name that cannot be one
    │   ├── AlgorithmMissing      a request without `algo`, for a model nobody fitted
    │   ├── ParametersInvalid     parameters of a search that the notebook does not declare so
    │   └── Busy                  a queue is full
    ├── NotebookError             the author's code
    │   ├── AlgorithmUnknown      no notebook of that name
    │   ├── NotebookUnreadable    the file holds no notebook, or one half written
    │   ├── AlgorithmInvalid      the notebook does not keep the contract
    │   └── AlgorithmFailed       the notebook's code raised, or took its process down
    ├── SupportError              dsdlsupport cannot do what a notebook asks of it
    │   ├── PictureInvalid
    │   └── SplunkMissing         no connection to Splunk
    ├── StoreError
    │   ├── VersionUnknown
    │   ├── StoreDamaged
    │   ├── NotStored         no space, no right
    │   └── NotExported       a version's files cannot be copied out
    ├── JobUnknown
    ├── SearchError               a search for `dltk search` cannot be run
    │   ├── SearchInvalid         its text: syntax, names, arguments
    │   ├── CommandUnknown        a command that only a Splunk runs
    │   └── LookupUnknown         no such CSV file
    ├── TemplateInvalid           no such template, or a notebook that is there already
    ├── BatchError                `dltk batch`
    │   ├── BatchInvalid          the run cannot be begun as it was ordered
    │   └── BatchFailed           a cell, its kernel or the deadline ended it
    ├── SplunkError               Splunk's REST API or HTTP Event Collector: see splunk/errors.py
    ├── Unreachable               no answer from the container
    └── ReplyUnreadable           an answer that is not the JSON of protocol 1.3

Splunk's routes answer every one of them with HTTP 200 and ``status: "error"``
(`Unauthorized` excepted), since on any other status the search shows only that it
could not read JSON. `http_status` is for the routes of our own.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

# The openings of messages, which dashboards and people look for (protocol 1.3).
BAD_JSON = "unable to parse json from POST data"
BAD_DATA = "unable to convert raw data to pandas dataframe"
NOT_STAGED = "unable to stage dataframe"
NOT_LOADED = "unable to load algo code from module"
NOT_INITIALIZED = "unable to initialize module"
NOT_FITTED = "unable to fit model"
NOT_SAVED = "unable to save model"
NOT_APPLIED = "unable to apply model"


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'umap'?`` for a name close to a known one, else nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


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


class SettingInvalid(DltkError):
    """A variable of the environment that cannot be used."""

    exit_code = 78

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        super().__init__(f"{variable}={shown(value)} cannot be used: it must be {wanted}.")


class TokenMissing(DltkError):
    """The server has no token, so that it could serve nobody."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "There is no api_token, and without one every request would be refused. Set one, for example with: "
            "export api_token=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
        )


class TracingMissing(DltkError):
    """Tracing is asked for, and nothing is installed that could do it."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "olly_enabled asks for traces, and splunk-opentelemetry is not installed. "
            "Install it with 'pip install splunk-opentelemetry', or unset olly_enabled."
        )


class AddressInvalid(DltkError):
    """The server cannot listen where it was told to."""

    exit_code = 69


class CertificateInvalid(DltkError):
    """The server cannot use its TLS certificate or key."""

    exit_code = 78

    def __init__(self, cert: Path | None, key: Path | None, cause: str, advice: str) -> None:
        super().__init__(f"The TLS certificate {cert} with the private key {key} cannot be used: {cause}. {advice}")


class VolumeUnwritable(DltkError):
    """A folder for models, jobs or notebooks cannot be written."""

    exit_code = 73

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"{folder} cannot be written by user {os.getuid()}, group {os.getgid()}: {cause}. Let the volume belong to "
            "that group and be writable for it (chgrp -R and chmod -R g+rwX), or mount another one."
        )


class VolumeFull(VolumeUnwritable):
    """There is no space for models, jobs or notebooks."""

    exit_code = 74

    def __init__(self, folder: Path) -> None:
        DltkError.__init__(
            self, f"{folder} is full. Remove what is no longer needed there, or give the volume more space."
        )


class RequestError(DltkError):
    """The request cannot be served as it is."""

    http_status = 400
    opening = BAD_JSON


class Unauthorized(RequestError):
    """No token, or another one than the container's."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "The request's Authorization header does not carry this container's api_token. "
            "Send 'Authorization: <api_token>', 'Bearer <api_token>' or 'Splunk <api_token>'."
        )


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


class NameInvalid(RequestError):
    """A name that must not become a path or an import."""

    opening = NOT_LOADED

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"{shown(name)} is no name for {kind}: a name begins with a letter or underscore, "
            "goes on with letters, digits and underscores, and has at most 128 characters."
        )


class AlgorithmMissing(RequestError):
    """Neither the request nor the store says which algorithm is meant."""

    opening = NOT_LOADED

    def __init__(self, model: str | None) -> None:
        found = f", and no algorithm was fitted into a model named {model!r}" if model else ""
        super().__init__(f"The search names no algorithm{found}. Add algo=<name of a notebook> to the search.")


class ParametersInvalid(RequestError):
    """Parameters that the notebook does not declare, or not of that type; all at once."""

    opening = NOT_INITIALIZED

    def __init__(self, who: str, problems: Sequence[str], declared: Sequence[str]) -> None:
        known = "; ".join(declared) if declared else "no parameters"
        told = "; ".join(problems)
        super().__init__(f"{told}{'' if told.endswith(('.', '?')) else '.'} {who} declares: {known}")


class OptionInvalid(RequestError):
    """A parameter that is the runtime's own has a value it cannot have."""

    opening = NOT_INITIALIZED

    def __init__(self, name: str, value: str, wanted: str) -> None:
        super().__init__(f"{name}={shown(value)} cannot be used: it must be {wanted}.")


class Busy(RequestError):
    """Too many requests wait already."""

    http_status = 503
    opening = ""

    def __init__(self, what: str, waiting: int, setting: str) -> None:
        super().__init__(
            f"{waiting} requests wait for {what} already. Try again later, or raise {setting} on the container."
        )


class NotebookError(DltkError):
    """The author's code."""

    http_status = 422
    opening = NOT_LOADED


class AlgorithmUnknown(NotebookError):
    """No notebook of that name in any of the folders."""

    http_status = 404

    def __init__(self, algorithm: str, looked_in: Sequence[Path], known: Iterable[str]) -> None:
        folders = ", ".join(str(folder) for folder in looked_in)
        super().__init__(
            f"No notebook {algorithm!r} in {folders}.{nearest(algorithm, known)} "
            f"Save {algorithm}.ipynb there, or list what there is with 'dltk algos'."
        )


class NotebookUnreadable(NotebookError):
    """A file that holds no notebook or Python text: missing, half written, broken or in another format."""

    def __init__(self, path: Path, what: str) -> None:
        advice = "Open it in JupyterLab and save it again" if path.suffix == ".ipynb" else "Save it again"
        super().__init__(f"{path} cannot be read: {what}. {advice}, or put back a good copy.")


class AlgorithmInvalid(NotebookError):
    """The notebook does not keep the contract; all problems at once."""

    def __init__(self, algorithm: str, problems: Sequence[str]) -> None:
        super().__init__(f"The notebook {algorithm!r} cannot be used: " + "; ".join(problems) + ".")
        self.problems = tuple(problems)


class AlgorithmFailed(NotebookError):
    """The notebook's code raised or took its process down; `traceback` goes to the job."""

    def __init__(self, opening: str, sentence: str, traceback: str = "", coordinates: str = "") -> None:
        super().__init__(sentence)
        self.opening = opening
        self.traceback = traceback
        self.coordinates = coordinates


class SupportError(DltkError):
    """`dsdlsupport` cannot do what a notebook asks of it."""


class PictureInvalid(SupportError):
    """What a notebook wants to keep as a picture is none, or cannot be kept under that key."""


class SplunkMissing(SupportError):
    """A notebook asks for a connection to Splunk, and there is none; `needs` are the variables it is made of."""

    def __init__(self, what: str, needs: Sequence[str], instead: str) -> None:
        super().__init__(
            f"{what} has no connection to Splunk: neither arguments name one nor {', '.join(needs)}, which must be set "
            f"where 'dltk serve' or JupyterLab is started. {instead}"
        )


class StoreError(DltkError):
    """The model store."""

    opening = NOT_APPLIED


class VersionUnknown(StoreError):
    """No such model or version."""

    http_status = 404


class StoreDamaged(StoreError):
    """Files of a version are missing or changed."""


class NotStored(StoreError):
    """A version could not be written: no space, no right."""

    opening = NOT_SAVED


class NotExported(StoreError):
    """A version's files were not copied out: there are none, or others are in the way."""

    http_status = 409


class NotStaged(DltkError):
    """Staged data could not be written."""

    opening = NOT_STAGED

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(f"{folder} cannot be written: {cause}. Check the folder's rights and free space.")


class FitCancelled(DltkError):
    """Somebody ended the fit."""

    http_status = 409
    opening = NOT_FITTED

    def __init__(self, job: str, why: str) -> None:
        super().__init__(f"Job {job} was cancelled: {why} Nothing was stored.")


class ServerStops(DltkError):
    """The fit did not come to its end before the server was stopped."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, job: str) -> None:
        super().__init__(f"The server was stopped before job {job} came to its end. Nothing was stored; fit again.")


class QueueFull(RequestError):
    """Too many asynchronous fits wait already."""

    http_status = 503
    opening = NOT_FITTED

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} asynchronous fits wait already, and nothing was submitted. "
            "Try again later, or raise DLTK_MAX_QUEUED on the container."
        )


class NotCancellable(DltkError):
    """The job has ended, or is past the point where it can be cancelled."""

    http_status = 409

    def __init__(self, job: str, state: str) -> None:
        super().__init__(f"Job {job} cannot be cancelled: it {state}.")


class ApiRefused(DltkError):
    """A container refused a request under ``/v1``."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        super().__init__(f"{detail} (HTTP {status} from {url})")
        self.http_status = status


class TemplateInvalid(DltkError):
    """A new notebook that cannot be written."""

    http_status = 400


class BatchError(DltkError):
    """A run of `dltk batch`."""


class BatchInvalid(BatchError):
    """A run that cannot be begun as it was ordered."""

    http_status = 400


class BatchFailed(BatchError):
    """A run that a cell, its kernel or the deadline ended; `retry` says whether the same again may do better."""

    http_status = 422

    def __init__(self, sentence: str, *, coordinates: str = "", traceback: str = "", retry: bool = False) -> None:
        super().__init__(sentence)
        self.coordinates = coordinates
        self.traceback = traceback
        self.retry = retry


class JobUnknown(DltkError):
    """No job of that id."""

    http_status = 404

    def __init__(self, job: str) -> None:
        super().__init__(f"No job {shown(job)}. List the jobs there are with 'dltk jobs'.")


class SearchError(DltkError):
    """A search that `dltk search` cannot run."""


class SearchInvalid(SearchError):
    """The text of a search; `command` is filled in by the pipeline, in the form that Splunk shows."""

    def __init__(self, problem: str, command: str = "") -> None:
        super().__init__(f"Error in '{command}' command: {problem}" if command else problem)
        self.problem = problem
        self.command = command


class CommandUnknown(SearchError):
    """A command that only a Splunk runs."""

    def __init__(self, command: str, known: Iterable[str], what: str = "The command") -> None:
        names = sorted(known)
        super().__init__(
            f"{what} {command!r} is none of those that run here ({', '.join(names)}).{nearest(command, names)} "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup."
        )


class LookupUnknown(SearchError):
    """No CSV file of that name."""

    def __init__(self, name: str, looked_in: Sequence[Path], known: Iterable[str]) -> None:
        folders = ", ".join(str(folder) for folder in looked_in)
        super().__init__(
            f"No lookup file {shown(name)} in {folders}.{nearest(name, known)} "
            "Copy the CSV file into one of them, or give its path relative to the current folder."
        )


class Unreachable(DltkError):
    """No answer from the container; `url` is the address that was asked."""

    http_status = 502

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            f"No answer from the container at {url}: {cause}. Check that it runs, that --url (or DLTK_URL) names its "
            "address, port and scheme (http or https), and for https that --cafile (or DLTK_CAFILE) names its "
            "certificate."
        )


class ReplyUnreadable(DltkError):
    """An answer that is not the JSON of protocol 1.3. Begins as Splunk's own text does."""

    http_status = 502

    def __init__(self, url: str, answer: str, body: str, advice: str = "") -> None:
        super().__init__(
            f"unable to read JSON response from {url}: {answer}, and its body begins {shown(body, 200)}."
            + (f" {advice}" if advice else "")
        )
