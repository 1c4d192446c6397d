"""DSDL's entries of models in the form of the AI Toolkit, which refuses DSDL's own (protocol 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.stub import DSDL, TOOLKIT, Stub
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.errors import NameInvalid
from dltk_runtime.names import checked
from dltk_runtime.volume.errors import VolumeError

CONVERTED, IS_TOOLKITS, IN_SPLUNK, UNREADABLE = "converted", "has that form", "runs in Splunk", "unreadable"
NO_TARGET = "without a target: apply calls its first column predicted_None, unless the search says 'as NAME'"


@dataclass(frozen=True, slots=True)
class StubConversion:
    """What became of one entry: one of the words above, and a remark."""

    model: str
    what: str
    remark: str = ""


def convert(source: Path, target: Path, *, force: bool) -> Iterator[StubConversion]:
    """Write each entry of DSDL's in the folder `source` to `target` in the toolkit's form.

    Session keys in them are left out. Entries of the toolkit and those that run in Splunk are not copied.

    Raises:
        VolumeError: there is no entry in `source`, `target` has one of the same name and `force` is false, or they
            are one folder.
    """
    found, made = Stubs(source), Stubs(target)
    if target.resolve() == source.resolve():
        raise VolumeError(f"{target} is the folder of the entries themselves. Name another one to write into.")
    if not (names := found.names()):
        raise VolumeError(f"{source} holds no entries of models (__mlspl_NAME.mlmodel). Name a folder of lookups.")
    if existing := [name for name in names if made.path(name).exists() and not force]:
        raise VolumeError(
            f"{target} has {made.path(existing[0]).name} already. Choose another folder, or overwrite with --force."
        )
    for name in names:
        yield _convert(found, made, name)


def _convert(found: Stubs, made: Stubs, name: str) -> StubConversion:
    try:
        stub = found.read(checked("model", name))
    except (SearchInvalid, NameInvalid) as error:
        return StubConversion(name, UNREADABLE, error.sentence)
    if stub.algorithm == TOOLKIT:
        return StubConversion(name, IS_TOOLKITS)
    if stub.algorithm != DSDL:
        return StubConversion(name, IN_SPLUNK, f"it is of type {stub.algorithm}")
    if stub.notice:
        return StubConversion(name, UNREADABLE, stub.notice)
    made.write(as_toolkits(stub))
    return StubConversion(name, CONVERTED, NO_TARGET if stub.target is None else "")


def as_toolkits(stub: Stub) -> Stub:
    """Return the entry that ``fit AITKContainer`` with the same words leaves."""
    return replace(stub, algorithm=TOOLKIT, options={**stub.options, "algo_name": TOOLKIT}, endpoint="")
