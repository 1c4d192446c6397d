"""Check by KServe's and Kubernetes' own models that a manifest has no field which they do not know.

Run by the Python of ``.venv-clients``: ``python known_fields.py FILE``.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import kserve
import kubernetes.client
import yaml


def check(kind: str, value: Any, path: str) -> None:
    """Check a value of a kind as the models name it: ``V1Container``, ``list[V1EnvVar]``, ``dict(str, str)``."""
    if inner := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        for number, each in enumerate(value):
            check(inner[1], each, f"{path}[{number}]")
    elif inner := re.fullmatch(r"[Dd]ict[\[(]str, (.*)[\])]", kind):
        for key, each in value.items():
            check(inner[1], each, f"{path}.{key}")
    elif hasattr(model := getattr(kserve, kind, getattr(kubernetes.client, kind, None)), "attribute_map"):
        names = {field: name for name, field in model.attribute_map.items()}
        if unknown := value.keys() - names.keys():
            sys.exit(f"{path}: {kind} has no field {', '.join(sorted(unknown))}")
        for field, each in value.items():
            check(model.openapi_types[names[field]], each, f"{path}.{field}")
        model(**{names[field]: each for field, each in value.items()})  # raises without a required one
    elif kind not in ("str", "int", "object") or (kind == "str" and not isinstance(value, str)):
        sys.exit(f"{path} is {value!r}: expected {kind}")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        document = yaml.safe_load(file)
    check(f"V1beta1{document['kind']}", document, "")
    sys.stdout.write("every field is known\n")
