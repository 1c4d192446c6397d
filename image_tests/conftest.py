"""Fixtures: the engine and images per session, containers and volumes per test."""

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
    """Provide the engine; IMAGE_STORE may name a folder that keeps images for the next run."""
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
    """Provide a function that starts containers, by default of the runtime image."""
    containers: list[Container] = []

    def start(tag: str = runtime_image, **options: Any) -> Container:
        containers.append(Container(podman, tag, **options))
        return containers[-1]

    yield start
    for container in containers:
        container.remove()


@pytest.fixture
def volume(podman: Engine) -> Iterator[str]:
    """Create an empty volume."""
    name = podman.podman("volume", "create").stdout.strip()
    yield name
    podman.podman("volume", "rm", "--force", name, check=False)


@pytest.fixture
def mounted() -> Iterator[Path]:
    """Create a folder to mount, readable for the container's user (pytest's are not)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
