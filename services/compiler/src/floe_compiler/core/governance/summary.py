"""The report of governance in the few words that an event has room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from floe_contracts.governance.reports import EnforcementReport, EnforcementSummary, Finding, Severity

MOST_FINDINGS: Final = 50
MOST_BYTES: Final = 64 * 1024
"""Of all findings together: names of models and columns, and with them messages, have any length."""
_SEVEREST_FIRST: Final[tuple[Severity, ...]] = ("error", "warning", "note")


def summarised(report: EnforcementReport, *, report_digest: str, sarif_digest: str) -> EnforcementSummary:
    """A report without all but its first findings, in a size that events have room for."""
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
        findings=tuple(_within(findings[:MOST_FINDINGS], MOST_BYTES)),
        report_digest=report_digest,
        sarif_digest=sarif_digest,
    )


def _within(findings: Iterable[Finding], most_bytes: int) -> Iterator[Finding]:
    for finding in findings:
        most_bytes -= len(finding.model_dump_json().encode())
        if most_bytes < 0:
            return
        yield finding
