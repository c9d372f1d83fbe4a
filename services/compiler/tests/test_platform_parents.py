"""Submissions whose platform stands below other documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.source_bundles import pack
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.events import SpecSubmitted

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

HEAD = "apiVersion: floe.dev/v1\nkind: PlatformSpec\n"
ENTERPRISE = HEAD + (
    "metadata: {name: acme, version: 1.0.0, owner: platform@acme.example}\n"
    "scope: enterprise\n"
    "inheritance: {forbid: [compute.duckdb]}\n"
    "compute: {duckdb: {type: duckdb, threads: 3}}\n"
    "storage: {local: {type: local}}\n"
    "catalogs: {local: {type: sql}}\n"
    "approvedSinks: [s3]\n"
)
DOMAIN = HEAD + (
    "metadata: {name: sales, version: 1.0.0, owner: sales@acme.example}\n"
    "scope: domain\n"
    "parent: {file: ../enterprise.yaml}\n"
    "environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}\n"
)
Submit = Callable[..., Awaitable[SpecSubmitted]]


@pytest.fixture
def submit(submissions: Any, bus: Bus, blobs: BlobStore) -> Submit:
    """Submits the files with DOMAIN and the given enterprise document above it."""

    async def send(files: dict[str, str | bytes], submission: str, domain: str = DOMAIN) -> SpecSubmitted:
        submitted = SpecSubmitted(
            tenant="default",
            product="shop",
            submission=submission,
            bundle=await pack(submissions.write(files, submission), blobs),
            platform=await blobs.put(domain.encode()),
            platform_parents={"../enterprise.yaml": await blobs.put(ENTERPRISE.encode())},
        )
        await bus.publish(submitted, id=f"shop:{submission}")
        return submitted

    return send


async def test_a_submission_brings_the_documents_above_its_platform(
    start_compiler: Any, submissions: Any, submit: Submit, shop: dict[str, str | bytes]
) -> None:
    await start_compiler()
    await submit(shop, "s1")
    artifact = (await submissions.compiled("s1")).artifact
    assert artifact["sources"]["platform"] == digest_of(
        canonical_json([digest_of(text.encode()) for text in (DOMAIN, ENTERPRISE)])
    )
    assert artifact["environments"]["dev"]["compute"]["threads"] == 3

    await submit(shop, "s2", DOMAIN + "compute: {duckdb: {type: duckdb, threads: 8}}\n")
    (problem,) = (await submissions.rejected("s2")).problems
    assert (problem.code, problem.file, problem.line) == ("FLOE-PLAT-005", "platform.yaml", 7)

    shop["floe.yaml"] = str(shop["floe.yaml"]) + "destinations: [{name: crm, type: sftp, models: [orders]}]\n"
    await submit(shop, "s3")
    (problem,) = (await submissions.rejected("s3")).problems
    assert (problem.code, problem.file, problem.line) == ("FLOE-COMP-021", "floe.yaml", 5)
    assert "../enterprise.yaml:9:1" in problem.message


async def test_the_platform_of_the_installation_has_parents_on_disk(
    start_compiler: Any, submissions: Any, shop: dict[str, str | bytes], tmp_path: Path
) -> None:
    (tmp_path / "domains").mkdir()
    (tmp_path / "enterprise.yaml").write_text(ENTERPRISE)
    (tmp_path / "domains" / "sales.yaml").write_text(DOMAIN)
    await start_compiler(FLOE_COMPILER_PLATFORM_FILE=str(tmp_path / "domains" / "sales.yaml"))
    await submissions.submit(shop, "s1")
    artifact = (await submissions.compiled("s1")).artifact
    assert artifact["environments"]["dev"]["compute"]["threads"] == 3
    (tmp_path / "enterprise.yaml").unlink()
    await submissions.submit(shop, "s2")
    (problem,) = (await submissions.rejected("s2")).problems
    assert (problem.code, problem.message) == ("FLOE-PLAT-001", "there is no ../enterprise.yaml")
