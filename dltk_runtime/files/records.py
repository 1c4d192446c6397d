"""Types for fields of records on disk, which a fault can damage and a notebook can write.

What lies outside their bounds is damage: no list computes with a time that names no zone, or with a
number that no float can hold.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

MAX_NUMBER_DIGITS = 18  # of any number, as of those of versions
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**MAX_NUMBER_DIGITS)]
