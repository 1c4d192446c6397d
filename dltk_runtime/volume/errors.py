"""What can go wrong with a whole volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dltk_runtime.errors import DltkError
from dltk_runtime.names import ModelName


class VolumeError(DltkError):
    """A backup, a restoration, or the examination of a volume."""


class TargetRefused(VolumeError):
    """A backup cannot be written into this folder."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"Nothing was backed up: {folder} {why}. Name a folder that is new or empty.")


class BackupIncomplete(VolumeError):
    """The folder holds no backup, or one that was cut short."""

    def __init__(self, folder: Path, record: str, begun: bool) -> None:
        cut = ", which is written last: the backup was cut short" if begun else ""
        super().__init__(
            f"{folder} holds no complete backup: it has no {record}{cut}. Nothing was restored; name another folder."
        )


class BackupDamaged(VolumeError):
    """Files of a backup are missing or have changed since they were written."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        more = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        super().__init__(f"The backup in {folder} is damaged: {problems[0]}{more}. Nothing was restored.")


class HomeOccupied(VolumeError):
    """There is something in the place that a backup would be restored to."""

    def __init__(self, folder: Path, names: Sequence[str], cut_short: bool) -> None:
        first = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        before = " An earlier restoration was cut short there." if cut_short else ""
        super().__init__(
            f"Nothing was restored: {folder} has {first} already.{before} Name another folder with --home and "
            "--notebooks, or have what is there moved into a hidden folder beside it with --set-aside."
        )


class StoreOccupied(VolumeError):
    """An object store has other versions of the models that would be restored, or another current one."""

    def __init__(self, where: str, names: Sequence[ModelName]) -> None:
        first = ", ".join(map(str, names[:3])) + (" …" if len(names) > 3 else "")
        super().__init__(
            f"Nothing was restored: the object store {where} has {first} already, and not as in the backup. Nothing "
            "in it is ever overwritten, and what is left of a removed model counts: name another folder of it in "
            "DLTK_STORE."
        )


class RestoredWrongly(VolumeError):
    """A file that was restored does not have the content that it has in the backup."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        super().__init__(f"The restored home is not what the backup holds: {problems[0]}{more}. Check the disk.")


class JobsUnfinished(VolumeError):
    """A model cannot be forgotten while fits of it wait or run."""

    def __init__(self, jobs: Sequence[str]) -> None:
        more = f" and {len(jobs) - 1:,} more" if len(jobs) > 1 else ""
        super().__init__(
            f"Nothing was removed: job {jobs[0]}{more} of this model has not ended. "
            f"Cancel it with 'dltk jobs cancel {jobs[0]}', or wait for its end."
        )


class NothingToForget(VolumeError):
    """There is nothing of the models."""

    def __init__(self, names: Sequence[ModelName], home: Path) -> None:
        models = {each.model for each in names}
        if len(names) == 1:
            shown = str(names[0])
        elif len(models) == 1:
            shown = f"a model '{models.pop()}' of any algorithm"
        else:
            shown = "such a model"
        super().__init__(f"There is nothing of {shown} in {home}. List models with 'dltk models list'.")
