"""The report as SARIF 2.1.0, which editors and code hosts show at the lines that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from floe_compiler.core.governance.enforce import RULES
from floe_compiler.core.governance.errors import OverrideExpired, OverrideUnknown, OverrideUnused
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.errors import Permanent
from floe_contracts.governance.reports import EnforcementReport, Finding, RuleResult

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FOLDER: Final = "PRODUCT"
_LEVELS: Final[Mapping[str, str]] = {"off": "none", "warn": "warning", "strict": "error"}
_ERRORS: Final[tuple[type[Permanent], ...]] = (
    *(rule.error for rule in RULES),
    OverrideExpired,
    OverrideUnknown,
    OverrideUnused,
)
_DESCRIPTIONS: Final = {error.code: (error.title, error.__doc__ or error.title) for error in _ERRORS}
_CODES: Final = tuple(sorted(_DESCRIPTIONS))


def to_sarif(report: EnforcementReport, *, version: str) -> dict[str, Any]:
    """The report as a SARIF log with one run.

    Files are relative to the product's folder, under the base id PRODUCT. A rule that had nothing to look at is told of
    in a notification, since SARIF takes a rule without results for one that passed.

    Args:
        report: what was found.
        version: of floe.
    """
    run = {
        "tool": {"driver": {"name": "floe", "version": version, "rules": _rules(report.rules)}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_FOLDER: {"description": {"text": "The folder of floe.yaml."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "associatedRule": {"id": result.code, "index": _CODES.index(result.code)},
                        "message": _message(f"{result.title}: not checked in {result.environment}, nothing to look at"),
                    }
                    for result in report.rules
                    if result.status == "not_checked"
                ],
            }
        ],
        "results": [_result(finding) for finding in report.findings],
        "properties": {"product": report.product, "status": report.status, "today": report.today.isoformat()},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(results: Sequence[RuleResult]) -> list[dict[str, Any]]:
    levels = {result.code: _LEVELS[result.level] for result in results}
    return [
        {
            "id": code,
            "shortDescription": _message(title),
            "fullDescription": _message(text),
            "defaultConfiguration": {"level": levels.get(code, "warning"), "enabled": levels.get(code) != "none"},
        }
        for code, (title, text) in sorted(_DESCRIPTIONS.items())
    ]


def _result(finding: Finding) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": _CODES.index(finding.code),
        "level": finding.severity,
        "message": _message(f"{finding.message} ({finding.hint})" if finding.hint else finding.message),
        "partialFingerprints": {"floe/v1": _fingerprint(finding)},
        "properties": {"environments": list(finding.environments)},
    }
    if location := _location(finding):
        result["locations"] = [location]
    if finding.override is not None:
        result["properties"]["override"] = finding.override
    return result


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if finding.where is not None:
        region = {"startLine": finding.where.line}
        if finding.where.column is not None:
            region["startColumn"] = finding.where.column
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(finding.where.file), "uriBaseId": _FOLDER},
            "region": region,
        }
    if finding.node is not None:
        name = f"{finding.node}.{finding.column}" if finding.column else finding.node
        kind = "member" if finding.column else "type"
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": kind}]
    return location


def _fingerprint(finding: Finding) -> str:
    """The same for the same finding however the files around it change; without a node, its message tells it apart."""
    parts = [finding.code, finding.node or finding.message, finding.column]
    return digest_of(canonical_json(parts))


def _message(text: str) -> dict[str, str]:
    """A message; SARIF reads braces as places for arguments unless they are doubled (section 3.11.5)."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}
