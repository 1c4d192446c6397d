"""Models of a container, read and changed over ``/v1``."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from dltk_runtime.client.answers import read
from dltk_runtime.client.http import Container
from dltk_runtime.names import ModelName
from dltk_runtime.settings import ClientSettings
from dltk_runtime.store.card import ShownCard
from dltk_runtime.store.deeds import History
from dltk_runtime.store.view import ModelList, ModelView, VersionDetail

ANSWER_SECONDS = 30.0


class ModelsClient:
    """The models of one container.

    Raises:
        Unreachable: every method, when the container does not answer.
        ApiRefused: every method, with the container's explanation.
        ReplyUnreadable: every method, when the answer is not one of the container's API.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._container = Container.of(settings, ANSWER_SECONDS)

    def list(self) -> list[ModelView]:
        return read(self._container.get("/v1/models"), ModelList).models

    def get(self, name: ModelName) -> ModelView:
        return read(self._container.get(_path(name)), ModelView)

    def version(self, name: ModelName, number: int) -> VersionDetail:
        return read(self._container.get(f"{_path(name)}/versions/{number}"), VersionDetail)

    def card(self, name: ModelName, number: int) -> ShownCard:
        return read(self._container.get(f"{_path(name)}/versions/{number}/card"), ShownCard)

    def history(self, name: ModelName) -> History:
        return read(self._container.get(f"{_path(name)}/history"), History)

    def promote(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        return read(self._container.post(f"{_path(name)}/promote/{number}{_because(reason)}", {}), ModelView)

    def rollback(self, name: ModelName, reason: str = "") -> ModelView:
        return read(self._container.post(f"{_path(name)}/rollback{_because(reason)}", {}), ModelView)

    def choose_code(self, name: ModelName, choice: str, reason: str = "") -> ModelView:
        path = f"{_path(name)}/code/{choice or 'auto'}{_because(reason)}"
        return read(self._container.post(path, {}), ModelView)

    def delete(self, name: ModelName, reason: str = "") -> None:
        read(self._container.delete(f"{_path(name)}{_because(reason)}"), ModelList)

    def delete_version(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        return read(self._container.delete(f"{_path(name)}/versions/{number}{_because(reason)}"), ModelView)


def _because(reason: str) -> str:
    return f"?{urlencode({'reason': reason})}" if reason else ""


def _path(name: ModelName) -> str:
    return f"/v1/models/{quote(name.algorithm, safe='')}/{quote(name.model, safe='')}"
