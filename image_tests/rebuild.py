"""Build an image a second time, without a cache and with a secret, and compare."""

from __future__ import annotations

from pathlib import Path

from engine import Engine

PASSWORD = "kept-by-no-layer"
ALL_FILES = "find / -xdev -not -type d -not -path '/proc/*' -not -path '/sys/*' | sort"
HOLDING = f"grep -rlF '{PASSWORD}' /opt /etc /root /srv /tmp /usr /var; true"


def build_again(podman: Engine, image: str, folder: Path) -> None:
    """Rebuild the variant of `image`; assert the same files, and no password of the build.

    `folder` receives the pip configuration with that password, which is mounted as a secret.
    """
    secret = folder / "pip.conf"
    secret.write_text(f"[global]\ntrusted-host = user:{PASSWORD}@localhost\n")
    variant = image.rpartition(":")[2]
    again = podman.build(variant, "again", "--no-cache", "--layers=false", f"--secret=id=pip.conf,src={secret}")
    try:
        assert podman.inside(again, ALL_FILES) == podman.inside(image, ALL_FILES)
        assert podman.inside(again, HOLDING) == []
        assert PASSWORD not in podman.podman("history", "--no-trunc", again).stdout
    finally:
        podman.podman("rmi", "--force", again)
