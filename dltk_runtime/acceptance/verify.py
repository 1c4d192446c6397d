"""Run the installed acceptance app over REST, as its reports say, and return what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.acceptance.app import RELEASE
from dltk_runtime.acceptance.claims.claim import APP, Claim, Flavour, Preparation
from dltk_runtime.acceptance.claims.table import PREPARATIONS, claims
from dltk_runtime.errors import DltkError
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import (
    CertificateRefused,
    NotThere,
    SplunkBusy,
    SplunkUnreachable,
    TokenRefused,
)
from dltk_runtime.splunk.job import Job

MAX_SECONDS = 300.0  # of one search
LATE_SECONDS = 60.0  # in which an event must be found
PAUSE_SECONDS = 5.0
PASS, FAIL, ERROR, NOT_RUN = "pass", "fail", "error", "not run"
# With these, nothing was learned about Splunk's searches.
_ELSEWHERE = (SplunkUnreachable, SplunkBusy, CertificateRefused, TokenRefused, NotThere)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The result of one claim; `seen` has the app's own words and counts."""

    claim: Claim
    result: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """Runs the app that `connection` names; `report` receives one line for each search."""

    connection: Connection
    flavour: Flavour
    report: Callable[[str], None] = lambda _: None
    late_seconds: float = LATE_SECONDS
    _problems: dict[str, DltkError] = field(default_factory=dict)

    def run(self) -> list[ClaimResult]:
        """Run the preparations, then every claim.

        Raises:
            SplunkError: Splunk cannot be reached, refuses the token, or has no such app.
        """
        for preparation in PREPARATIONS:
            self._dispatch(preparation)
        for claim in claims(self.flavour):
            self._test(claim)
        return list(self.results())

    def results(self) -> Iterator[ClaimResult]:
        """Yield what is recorded, with errors of the searches that this run started. Raises as `run`."""
        rows = self._rows(f"| inputlookup {APP}_results")
        known = {str(row["_key"]): row for row in rows}
        for claim in claims(self.flavour):
            row = known.get(claim.name)
            problem = self._problems.get(claim.saved)
            if problem is not None:
                yield ClaimResult(claim, FAIL if claim.refuted_by_error else ERROR, "the search ended in an error")
            elif row is None:
                yield ClaimResult(claim, NOT_RUN)
            else:
                yield ClaimResult(claim, str(row.get("result", "")), str(row.get("seen") or ""))

    def _test(self, claim: Claim) -> None:
        deadline = time.monotonic() + self.late_seconds
        self._dispatch(claim)
        if claim.disabled and self._problems.pop(claim.saved, None) is not None:
            self._rows(f'| makeresults | eval ok=1, seen="refused" | `{APP}_result("{claim.name}")`')
        while claim.late and self._result_of(claim) != PASS and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            self._dispatch(claim)

    def _result_of(self, claim: Claim) -> str:
        rows = self._rows(f'| inputlookup {APP}_results where _key="{claim.name}"')
        return str(rows[0].get("result", "")) if rows else ""

    def _dispatch(self, each: Claim | Preparation) -> None:
        self._problems.pop(each.saved, None)
        try:
            Job.dispatch(each.saved, connection=self.connection).wait(MAX_SECONDS)
        except DltkError as failure:
            refused = isinstance(each, Claim) and each.disabled and isinstance(failure, NotThere)
            if isinstance(failure, _ELSEWHERE) and not refused:
                raise
            self._problems[each.saved] = failure
            self.report(f"{each.saved}: {failure.sentence}")
        else:
            self.report(each.saved)

    def _rows(self, search: str) -> list[Mapping[str, Any]]:
        job = Job.start(search, connection=self.connection)
        job.wait(MAX_SECONDS)
        return list(job.rows())


def document(results: list[ClaimResult], flavour: Flavour, version: str) -> dict[str, Any]:
    """Return what can be sent: claims and results, without data, names or addresses.

    Args:
        version: Splunk's.
    """
    rows = [{"claim": each.claim.name, "result": each.result, "seen": each.seen} for each in results]
    return {"app": APP, "release": RELEASE, "client": str(flavour), "splunk": version, "claims": rows}
