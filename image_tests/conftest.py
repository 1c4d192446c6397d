"""The engine and the images, made once; containers and volumes, one for each test that asks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine, engine

from container import Container

Start = Callable[..., Container]


@pytest.fixture(scope="session")
def podman() -> Iterator[Engine]:
    """The engine; without a folder in IMAGE_STORE, which keeps the images for the next run, it starts from nothing."""
    store = os.environ.get("IMAGE_STORE")
    with engine(Path(store) if store else None) as made:
        yield made


@pytest.fixture(scope="session")
def runtime_image(podman: Engine) -> str:
    return podman.build("runtime")


@pytest.fixture(scope="session")
def cpu_image(podman: Engine) -> str:
    return podman.build("cpu")


@pytest.fixture
def start(podman: Engine, runtime_image: str) -> Iterator[Start]:
    """Starts containers, of the runtime image unless told otherwise, which are removed after the test."""
    containers: list[Container] = []

    def start(tag: str = runtime_image, **options: Any) -> Container:
        containers.append(Container(podman, tag, **options))
        return containers[-1]

    yield start
    for container in containers:
        container.remove()


@pytest.fixture
def volume(podman: Engine) -> Iterator[str]:
    """An empty volume."""
    name = podman.podman("volume", "create").stdout.strip()
    yield name
    podman.podman("volume", "rm", "--force", name, check=False)


@pytest.fixture
def mounted() -> Iterator[Path]:
    """A folder to mount that the container's user can read; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
