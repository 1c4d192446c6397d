"""Checks of a container that runs elsewhere, at `DLTK_URL`: address, token, readiness, models."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from dltk_runtime.client.answers import refused
from dltk_runtime.client.http import Container
from dltk_runtime.client.models import ModelsClient
from dltk_runtime.doctor.finding import Finding, error, ok, warning, whole
from dltk_runtime.errors import DltkError
from dltk_runtime.settings import ClientSettings

ANSWER_SECONDS = 15.0


def container(settings: ClientSettings) -> Iterator[Finding]:
    """Check that the container answers, is ready, accepts the token, and has no damaged model."""
    called = Container.of(settings, ANSWER_SECONDS)
    try:
        ready, summary = called.get("/readyz"), called.get("/summary")
    except DltkError as failure:
        yield error("container", failure.sentence, "Check DLTK_URL, and that the container runs.")
        return
    if ready.status == HTTPStatus.OK:
        yield ok("container", f"{settings.url} answers, and is ready")
    else:
        text = f"{settings.url} answers, and is not ready: HTTP {ready.status}"
        yield error("container", text, "See the container's log; 'docker exec NAME dltk doctor' checks it from inside.")
    if summary.status == HTTPStatus.OK:
        yield ok("token", f"{settings.url} accepts this token")
        yield from _models(settings)
    elif summary.status == HTTPStatus.UNAUTHORIZED:
        yield error("token", f"{settings.url} refuses this token", "Set DLTK_TOKEN to the container's api_token.")
    else:
        text = refused(summary).sentence
        yield error("token", text, "Another program or a proxy answers there.")


def _models(settings: ClientSettings) -> Iterator[Finding]:
    try:
        views = ModelsClient(settings).list()
    except DltkError as failure:
        yield warning(
            "models", f"the models cannot be listed: {failure.sentence}", "Is the container of an older release?"
        )
        return
    damaged = [view for view in views if view.damage or any(each.damage for each in view.versions)]
    for view in damaged:
        problems = [view.damage, *(each.damage for each in view.versions)]
        text = f"{view.algorithm}/{view.model}: {next(filter(None, problems))}"
        yield error("models", text, f"See 'dltk models show {view.algorithm} {view.model}'.")
    yield ok("models", f"{whole(len(views), len(damaged))}, as far as the list tells")
