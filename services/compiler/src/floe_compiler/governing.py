"""From both documents and the parsed project to the report of governance, and its way into the blob store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from importlib import metadata
from pathlib import Path

from floe_compiler.adapters.properties_files import read_properties_files
from floe_compiler.core.governance.enforce import enforce
from floe_compiler.core.governance.overrides import check_overrides
from floe_compiler.core.governance.sarif import to_sarif
from floe_compiler.core.governance.summary import summarised
from floe_compiler.core.ports import Blobs
from floe_contracts.digests import canonical_json
from floe_contracts.errors import DocumentInvalid
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.governance.reports import EnforcementReport, EnforcementSummary
from floe_contracts.governance.scopes import stricter
from floe_contracts.nodes import NodeGraph
from floe_contracts.platform_spec import PlatformSpec


def govern(
    spec: FloeSpec, platform: PlatformSpec, graphs: Mapping[str, NodeGraph], *, folder: Path, today: date
) -> EnforcementReport:
    """Hold a project against the rules of its platform and its own. Reads files, and takes a while: not for the loop.

    Args:
        spec: the product.
        platform: what it is compiled against, with all that it inherits.
        graphs: the annotated nodes in each environment.
        folder: the product's folder on disk.
        today: the day that overrides are compared with: of the event, so that a redelivery finds the same.

    Raises:
        DocumentInvalid: with an `OverrideForbidden` for every override in floe.yaml that the platform forbids.
    """
    floor, own = platform.governance, spec.governance.rules
    if forbidden := check_overrides(floor, own, file="floe.yaml", path="governance.rules"):
        raise DocumentInvalid(forbidden)
    return enforce(
        stricter(floor, own),
        graphs,
        product=spec.metadata.name,
        today=today,
        folder=spec.dbt.path,
        files=read_properties_files(folder / spec.dbt.path, graphs.values()),
        policies={name: tuple(environment.policies) for name, environment in platform.environments.items()},
    )


async def store_report(report: EnforcementReport, blobs: Blobs) -> EnforcementSummary:
    """Store the whole report, as it is and as SARIF; what an event says of it."""
    contents = await asyncio.to_thread(_written, report)
    stored = await asyncio.gather(*(blobs.put(content) for content in contents))
    return summarised(report, report_digest=stored[0], sarif_digest=stored[1])


def _written(report: EnforcementReport) -> tuple[bytes, bytes]:
    sarif = to_sarif(report, version=metadata.version("floe-compiler"))
    return canonical_json(report.model_dump(mode="json", exclude_none=True)), canonical_json(sarif)
