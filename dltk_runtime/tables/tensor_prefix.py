"""What tells where the JSON of tensors ends; the front process writes and reads it, and no more."""

from __future__ import annotations

import struct

PREFIX = struct.Struct("<Q")  # bytes of JSON that follow; 0 in a request: all
