"""Adds the base image to a list of an image's content:  docker image inspect … | tools/base_in_sbom.py SPDX.json

Standard input has the image's labels as JSON; the Dockerfile writes name and digest of the base image into two of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAME, DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


def main(file: str) -> None:
    labels = json.load(sys.stdin) or {}
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    digest = labels.get(DIGEST, "unknown")
    package = {
        "SPDXID": "SPDXRef-base-image",
        "name": labels.get(NAME, "unknown"),
        "versionInfo": digest,
        "downloadLocation": "NOASSERTION",
    }
    if digest.startswith("sha256:"):
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}]
    document.setdefault("packages", []).append(package)
    Path(file).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
