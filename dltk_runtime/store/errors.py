"""Errors of the model store beside `StoreDamaged` and `NotStored`, which others raise too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dltk_runtime.errors import StoreDamaged, StoreError
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.handles import Version


class VersionUnknown(StoreError):
    """The model or version does not exist."""

    http_status = 404


class VersionMissing(VersionUnknown):
    """The model has no version of that number."""

    def __init__(self, version: Version, where: str, committed: Sequence[int]) -> None:
        missing = f"version {version.number}" if version.number else f"files of an old volume in {version.where}"
        existing = ", ".join(map(str, committed)) or "none"
        super().__init__(
            f"{version.name} has no {missing}; committed versions in {where}: {existing}. "
            "List all models with 'dltk models list'."
        )


class ModelUnknown(VersionUnknown):
    """There is no model of this name."""

    def __init__(self, name: ModelName, where: str) -> None:
        super().__init__(f"There is no model {name}: nothing is in {where}. List all models with 'dltk models list'.")


class VersionRemoved(VersionUnknown):
    """The version was removed, or its fit has not committed it."""

    def __init__(self, version_id: VersionId, where: str) -> None:
        super().__init__(f"{version_id} has no manifest in {where}: it was removed, or never committed.")


class NoEarlierVersion(VersionUnknown):
    """A rollback is not possible."""

    def __init__(self, name: ModelName, current: int, where: str) -> None:
        super().__init__(
            f"{name} has nothing before version {current} to go back to in {where}. "
            f"See its versions with 'dltk models show {name.algorithm} {name.model}'."
        )


class VersionStays(StoreError):
    """The version may not be removed by itself."""

    http_status = 409

    def __init__(self, version_id: VersionId) -> None:
        super().__init__(
            f"{version_id} stays: it is current, was so before, or its fit has not decided on it yet. Make another "
            "version current first, twice if need be; 'dltk models delete' removes the model with all versions."
        )


class HomeVanished(StoreError):
    """The folder of models is gone, or another one is in its place."""

    http_status = 503
    opening = ""

    def __init__(self) -> None:
        super().__init__(
            "The models that this server started with are gone: the volume of DLTK_HOME is no longer there, or "
            "another one is in its place. Check that it is mounted; the server goes on when it is back."
        )


class StoreReplaced(StoreError):
    """The object store is not the one that this server started with, or does not answer."""

    http_status = 503
    opening = ""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The object store {where} does not answer, or is not the one that this server started with. Check that "
            "it is reachable and that nothing was removed from it; the server goes on when it is back."
        )


class StoreUnreachable(StoreError):
    """An object store does not answer, or refuses to be read."""

    http_status = 503

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where} could not be read: {reason}. Check that the object store of DLTK_STORE is reachable, and that "
            "the credentials of this server are right."
        )


class StoreUnusable(StoreError):
    """``DLTK_STORE`` names an object store that cannot be used."""

    exit_code = 78
    opening = ""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The object store {where} cannot be used: {reason}. See DLTK_STORE in the settings.")


class ConditionIgnored(StoreUnusable):
    """An object store ignores the conditions that the rules for versions rely on."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, f"it {what}, so two servers could overwrite each other's work")


class NoneWhole(StoreDamaged):
    """No version can serve: each that was promoted is damaged."""

    def __init__(self, name: ModelName, where: str, problem: str) -> None:
        super().__init__(
            f"No version of {name} can be used: {problem.rstrip('.')}; and no other version in {where} is whole and "
            f"known to have been promoted. See 'dltk models show {name.algorithm} {name.model}', make a version "
            "current with 'dltk models promote', restore the files, or fit again."
        )


class NonePromoted(VersionUnknown):
    """Versions were committed, and none was promoted."""

    def __init__(self, name: ModelName, where: str, committed: Sequence[int]) -> None:
        super().__init__(
            f"No version of {name} was promoted: committed versions in {where}: {', '.join(map(str, committed))}. "
            f"Make one current with 'dltk models promote {name.algorithm} {name.model} {committed[-1]}', or fit again."
        )


class NotExported(StoreError):
    """A version's files were not copied: there are none, or files of these names exist."""

    http_status = 409


class NothingToExport(NotExported):
    """The version has no files of the notebook."""

    def __init__(self, version_id: VersionId) -> None:
        super().__init__(f"{version_id} has no files of its own to export: its save stored nothing.")


class ExportBlocked(NotExported):
    """The target folder has files of these names."""

    def __init__(self, to: Path, existing: Sequence[str]) -> None:
        super().__init__(f"{to} has {', '.join(existing)} already. Choose another folder, or overwrite with --force.")
