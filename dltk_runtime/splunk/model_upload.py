"""Upload an ONNX file to the AI Toolkit of a search head, for ``| apply onnx:NAME``.

The toolkit's interface as its published code has it; no search head was asked. What it answers was
not seen, nor whether it wants the file in another form than its bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dltk_runtime.errors import DltkError, shown
from dltk_runtime.splunk.answers import text_of
from dltk_runtime.splunk.connection import Connection

APP = "Splunk_ML_Toolkit"
ENDPOINT = "mltk/upload_model"
CAPABILITIES = ("upload_lookup_files", "upload_onnx_model_file")


class UploadInvalid(DltkError):
    """A model that the toolkit's interface cannot take."""


@dataclass(frozen=True, slots=True)
class ModelUpload:
    """One file, the model's name there, and the names of its fields."""

    content: bytes
    name: str
    features: Sequence[str]
    targets: Sequence[str]

    @property
    def encoded_bytes(self) -> int:
        """The size as base64, which the toolkit's bound is for."""
        return (len(self.content) + 2) // 3 * 4

    def check(self, most: int) -> None:
        """Make sure that the interface can take it; as base64 it may have `most` bytes.

        Raises:
            UploadInvalid: naming what it cannot.
        """
        if not (self.name.isascii() and self.name.isidentifier()):
            raise UploadInvalid(
                f"The model name {shown(self.name)} is none for the AI Toolkit: letters, digits and _, "
                "with no digit first."
            )
        if not self.features:
            raise UploadInvalid("The file does not say its features. Write it with 'dltk models export --onnx'.")
        for name in (*self.features, *self.targets):
            if "," in name or name != name.strip() or not name:
                raise UploadInvalid(
                    f"The field {shown(name)} cannot stand in a list with commas: rename it, fit again."
                )
        if self.encoded_bytes > most:
            raise UploadInvalid(
                f"As base64 the file has {self.encoded_bytes:,} bytes, and the AI Toolkit takes {most:,} "
                "(max_model_size_mb): train a smaller model, or have the bound raised there and say so by --max-mb."
            )

    def send(self, connection: Connection) -> str:
        """Send it once; return what the toolkit answers, as text.

        Raises:
            SplunkError: Splunk refused it, or cannot be reached.
        """
        kind, body = _multipart(self.name + ".onnx", self.content, self.fields)
        given = {"owner": "nobody", "app": APP, "headers": [("Content-Type", kind)], "body": body}
        answer = connection.call("the upload of ONNX models", lambda service: service.post(ENDPOINT, **given), 0)
        return text_of(answer.body.read())

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields beside the file."""
        return {"model_name": self.name, "features": ",".join(self.features), "targets": ",".join(self.targets)}


def _multipart(file_name: str, content: bytes, fields: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the media type and the body of a form with one file."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
    parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"\r\n--{boundary}--\r\n".encode()])
