"""The machines of a container, read over ``/v1``."""

from __future__ import annotations

from dltk_runtime.client.answers import read
from dltk_runtime.client.http import Container
from dltk_runtime.cluster.view import ClusterView
from dltk_runtime.settings import ClientSettings

ANSWER_SECONDS = 30.0


def cluster_of(settings: ClientSettings) -> ClusterView:
    """Return the machines of a container.

    Raises:
        Unreachable: the container does not answer.
        ApiRefused: with the container's explanation.
        ReplyUnreadable: the answer is not one of the container's API.
    """
    return read(Container.of(settings, ANSWER_SECONDS).get("/v1/cluster"), ClusterView)
