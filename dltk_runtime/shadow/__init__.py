"""How our answers compare with the old container's: records of figures, verdicts, a report.

No value of a row and no text of an exception is kept, and no pandas is needed here: the front
writes the records, ``/v1/shadow`` and ``dltk shadow report`` show what they say.
"""

from dltk_runtime.shadow.record import ComparedRequest, Records
from dltk_runtime.shadow.report import ModelReport, ShadowReport, report
from dltk_runtime.shadow.verdict import ComparisonVerdict, judge

__all__ = ["ComparedRequest", "ComparisonVerdict", "ModelReport", "Records", "ShadowReport", "judge", "report"]
