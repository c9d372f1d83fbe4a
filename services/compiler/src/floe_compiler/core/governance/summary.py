"""The report of governance in the few words that an event has room for."""

from __future__ import annotations

from collections import Counter
from typing import Final

from floe_contracts.enforcement import EnforcementReport, EnforcementSummary, Severity

MOST_FINDINGS: Final = 50
_SEVEREST_FIRST: Final[tuple[Severity, ...]] = ("error", "warning", "note")


def summarised(report: EnforcementReport, *, report_digest: str, sarif_digest: str) -> EnforcementSummary:
    """A report without all but its first findings."""
    counts = Counter(finding.severity for finding in report.findings)
    looked = {result.code for result in report.rules if result.status not in ("off", "not_checked")}
    unchecked = {result.code for result in report.rules if result.status == "not_checked"} - looked
    findings = sorted(report.findings, key=lambda finding: _SEVEREST_FIRST.index(finding.severity))
    return EnforcementSummary(
        status=report.status,
        errors=counts["error"],
        warnings=counts["warning"],
        notes=counts["note"],
        not_checked=tuple(sorted(unchecked)),
        findings=tuple(findings[:MOST_FINDINGS]),
        report_digest=report_digest,
        sarif_digest=sarif_digest,
    )
