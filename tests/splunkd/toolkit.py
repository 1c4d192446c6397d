"""The AI Toolkit's endpoint for ONNX models, as far as its published code says what it takes.

From that code (5.7 to 6.0): ``POST /servicesNS/nobody/Splunk_ML_Toolkit/mltk/upload_model``, multipart
with `file`, `model_name`, `features` and `targets` (comma lists); base64 size up to
`max_model_size_mb`; the capabilities `upload_lookup_files` and `upload_onnx_model_file`. What it
answers is not known: the texts here are ours, and nothing may depend on them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP

from tests.splunkd.answers import Answer, Refusal, Request, in_json

UPLOAD = "mltk/upload_model"
FIELDS = {"file", "model_name", "features", "targets"}
NEEDED = {"upload_lookup_files", "upload_onnx_model_file"}


@dataclass(frozen=True)
class Model:
    """One uploaded model."""

    content: bytes
    features: list[str]
    targets: list[str]


@dataclass
class Toolkit:
    """What was uploaded, and what the token's owner may do."""

    max_model_size_mb: int = 30
    capabilities: set[str] = field(default_factory=lambda: set(NEEDED))
    models: dict[str, Model] = field(default_factory=dict)

    def upload(self, request: Request) -> Answer:
        if (request.method, request.owner, request.app) != ("POST", "nobody", "Splunk_ML_Toolkit"):
            raise Refusal(404, "Not Found")
        if missing := NEEDED - self.capabilities:
            raise Refusal(403, f"You do not have the capabilities {', '.join(sorted(missing))}")
        head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
        form = message_from_bytes(head + request.body, policy=HTTP)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.iter_parts()}
        if set(parts) != FIELDS or not parts["file"].get_filename():
            raise Refusal(400, f"expected {sorted(FIELDS)}, got {sorted(parts)}")
        content = {name: part.get_payload(decode=True) for name, part in parts.items()}
        if len(base64.b64encode(content["file"])) > self.max_model_size_mb * 1024**2:
            raise Refusal(400, "Model is too large")
        texts = {name: part.decode() for name, part in content.items() if name != "file"}
        lists = {name: texts[name].split(",") if texts[name] else [] for name in ("features", "targets")}
        self.models[texts["model_name"]] = Model(content["file"], lists["features"], lists["targets"])
        return in_json({"messages": [{"type": "INFO", "text": "ours: uploaded"}]})
