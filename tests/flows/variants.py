"""The variants of flows; those that the gate rehearses change with the commit."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Mapping

from tests.support.service import ROOT

IN_A_GATE = 3
ALL = "DLTK_TEST_ALL_FLOWS"  # set by `make flows`

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "direct": ("direct",),
    "feedback": ("feedback",),
    "feedback extras": ("feedback", "--extras", "age reputation"),
    "events": ("summary",),
    "indexed": ("summary", "--source", "indexed"),
    "metrics": ("summary", "--source", "metrics"),
    "datamodel": ("summary", "--source", "datamodel"),
    "direct class": ("direct", "--predicts", "class"),
    "direct number": ("direct", "--predicts", "number"),
    "events class": ("summary", "--predicts", "class"),
    "events number": ("summary", "--predicts", "number"),
    "indexed number": ("summary", "--source", "indexed", "--predicts", "number"),
    "metrics number": ("summary", "--source", "metrics", "--predicts", "number"),
    "datamodel class": ("summary", "--source", "datamodel", "--predicts", "class"),
    "events labels": ("summary", "--labels"),
    "events labels extras": ("summary", "--labels", "--extras", "age reputation"),
    "events raw": ("summary", "--scoring", "raw", "--recipients", "soc@example.com", "--risk-object", "system"),
    "events labels raw": ("summary", "--labels", "--scoring", "raw"),
    "events sources": (
        "summary",
        "--base",
        "(index=dns sourcetype=dns) OR (index=proxy sourcetype=web)",
        "--prepare",
        (
            'eval entity=lower(coalesce(query,url_domain)), y=case(verdict="bad",1,verdict="good",0), n=1 '
            "| stats max(y) AS y sum(n) AS n BY entity | eval f_len=len(entity), "
            'f_digits=f_len-len(replace(entity,"[0-9]",""))'
        ),
        "--features",
        "f_len f_digits n",
    ),
    "events minute": ("summary", "--interval", "1"),
    "events half day": ("summary", "--interval", "720"),
    "events day": ("summary", "--interval", "1440", "--zone", "Europe/Berlin", "--labels"),
    "direct native": ("direct", "--native", "RandomForestClassifier", "--algorithm", ""),
    "direct challenged": ("direct", "--native", "RandomForestClassifier"),
    "events challenged": ("summary", "--native", "RandomForestClassifier"),
    "metrics number challenged": (
        "summary",
        "--source",
        "metrics",
        "--native",
        "LinearRegression",
        "--predicts",
        "number",
    ),
    "direct anomalies": ("direct", "--anomalies"),
    "events anomalies": ("summary", "--anomalies"),
    "indexed anomalies": ("summary", "--source", "indexed", "--anomalies"),
    "metrics anomalies": ("summary", "--source", "metrics", "--anomalies"),
    "datamodel anomalies": ("summary", "--source", "datamodel", "--anomalies"),
}


def drawn() -> list[str]:
    """Return the names of the variants that run: all of them, or those of this commit."""
    names = list(VARIANTS)
    return names if os.environ.get(ALL) else sorted(random.Random(commit()).sample(names, IN_A_GATE))


def commit() -> str:
    """Return the commit's hash; "" where there is no repository, as in a package of the sources."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
