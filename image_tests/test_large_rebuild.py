"""Build the cpu image twice; `test_content` does the same with the runtime image."""

from __future__ import annotations

from pathlib import Path

from engine import Engine
from rebuild import build_again


def test_a_second_build_of_the_cpu_image_holds_the_same_files(podman: Engine, cpu_image: str, tmp_path: Path) -> None:
    build_again(podman, cpu_image, tmp_path)
