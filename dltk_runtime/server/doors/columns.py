"""What a version takes and answers: names and datatypes, as the Open Inference Protocol has them."""

from __future__ import annotations

from dltk_runtime.store.store import Version

TEXT = "BYTES"
DATATYPES = {"number": "FP64", "boolean": "BOOL", "text": TEXT}  # of the kinds of features
RESULTS = {  # of numpy's dtypes
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}


def inputs_of(version: Version) -> list[dict[str, str]]:
    """Return the fields of the fit; none for files of an old volume."""
    if not version.number:
        return []
    manifest = version.manifest()
    features = (each for each in manifest.features if each.name not in manifest.targets)
    return [{"name": each.name, "datatype": DATATYPES.get(each.kind, TEXT)} for each in features]


def outputs_of(version: Version) -> list[dict[str, str]]:
    """Return the columns that the fit's own apply answered; none where they are not known."""
    known = version.manifest().outputs if version.number else []
    return [{"name": each.name, "datatype": RESULTS.get(each.dtype, TEXT)} for each in known]
