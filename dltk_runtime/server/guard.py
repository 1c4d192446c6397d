"""Who may call which route under ``/v1``, and see or change which model in the console."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dltk_runtime.access.file import OWN_NAMES
from dltk_runtime.access.holder import Holder, Right
from dltk_runtime.errors import NameInvalid
from dltk_runtime.names import ModelName
from dltk_runtime.server.entry import CHALLENGE, actor_of
from dltk_runtime.server.token_files import ADMIN_NAME, API_NAME, CHANGE_RIGHTS, Tokens
from dltk_runtime.service.service import Service


class Guard:
    """Asks for the token of a request, and for the right to what is in its path."""

    def __init__(self, service: Service, tokens: Tokens) -> None:
        self._service = service
        self._tokens = tokens

    def admit(self, request: Request, right: Right) -> Holder:
        """Return who calls.

        Raises:
            HTTPException: 401 for no token, a wrong one, and one of the container's own without the right.
        """
        holder = self._tokens.holder(request.headers.getlist("authorization"))
        if holder is None or (holder.name in OWN_NAMES and not holder.may(right)):
            wanted = ADMIN_NAME if right in CHANGE_RIGHTS - {Right.READ} and self._tokens.admins else API_NAME
            raise HTTPException(401, f"This needs the container's {wanted}.", headers=CHALLENGE)
        request.state.holder = holder
        request.state.actor = actor_of(request, holder, self._tokens).because(request.query_params.get("reason", ""))
        return holder

    def check(self, request: Request, holder: Holder, right: Right) -> None:
        """Make sure that `holder` may do what a route with this `right` does, with the model in its path.

        Who fitted a job may end it without the right to end those of others.

        Raises:
            RightMissing, ModelForbidden, NameInvalid, JobUnknown: it may not.
        """
        if (job := request.path_params.get("job")) is not None:
            record = self._service.jobs.get(job)
            own = right is Right.ADMIN and record.owner == holder.name and holder.may(Right.FIT)
            holder.check(Right.FIT if own else right, ModelName(record.algorithm, record.model))
        else:
            holder.check(
                right,
                ModelName(request.path_params["algorithm"], request.path_params["model"])
                if "model" in request.path_params
                else None,
            )


def sees(holder: Holder, algorithm: str, model: str) -> bool:
    """Return whether lists show `holder` what is kept under these names; invalid ones only who sees all models."""
    try:
        return holder.sees_all or holder.covers(ModelName(algorithm, model))
    except NameInvalid:
        return False
