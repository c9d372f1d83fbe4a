"""The same inputs find the same outcome, and nothing that is not whole is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.topology import COMPILATIONS_BUCKET
from floe_compiler.adapters.compile_cache import KeyValueCompileCache, code_digest
from floe_compiler.adapters.sources import BundleSources
from floe_compiler.core.assemble import assemble
from floe_compiler.core.cache_key import (
    CachedCompilation,
    CompileInputs,
    Days,
    cache_key,
    days_between,
    named_blobs,
)
from floe_compiler.core.resolve import resolve
from floe_compiler.errors import PlatformFixed
from floe_contracts.artifacts import CompiledArtifacts, Tools
from floe_contracts.digests import digest_of
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.governance.reports import EnforcementSummary
from floe_contracts.platform_spec import DEFAULT_PLATFORM

TOOLS = Tools(dbt_core="1.11.16", adapters={"duckdb": "1.11.1"})
INPUTS = CompileInputs("default", "shop", digest_of(b"bundle"), {"installed": digest_of(b"platform")}, TOOLS, "code")
OTHERS: Mapping[str, Any] = {
    "tenant": "acme",
    "product": "shop2",
    "bundle": digest_of(b"another bundle"),
    "platforms": {"submitted": digest_of(b"platform")},
    "tools": Tools(dbt_core="1.11.17", adapters={"duckdb": "1.11.1"}),
    "code": "newer code",
}
TODAY = date(2026, 11, 21)
KEY = cache_key(INPUTS)


def test_the_same_inputs_have_the_same_key() -> None:
    turned = replace(INPUTS, tools=Tools(dbt_core="1.11.16", adapters=dict(TOOLS.adapters)))
    assert cache_key(turned) == KEY
    assert len(KEY) == 64


@pytest.mark.parametrize("name", [field.name for field in fields(CompileInputs)])
def test_every_input_counts(name: str) -> None:
    assert cache_key(replace(INPUTS, **{name: OTHERS[name]})) != KEY


def test_an_outcome_holds_until_an_exception_begins_or_ends_to_hold() -> None:
    days = days_between(TODAY, [date(2026, 11, 1), date(2026, 11, 10), date(2026, 11, 30), date(2027, 1, 1)])
    assert days == Days(date(2026, 11, 11), date(2026, 11, 30))
    inside, outside = (date(2026, 11, 11), TODAY, date(2026, 11, 30)), (date(2026, 11, 10), date(2026, 12, 1))
    assert all(days.include(day) for day in inside)
    assert not any(days.include(day) for day in outside)
    assert days_between(TODAY, [TODAY]).last == TODAY, "the last day is a day on which it holds"
    assert days_between(TODAY, ()).include(date(1990, 1, 1))


async def test_platforms_are_told_apart_by_where_they_come_from(blobs: BlobStore, tmp_path: Path) -> None:
    platform, parent = digest_of(b"platform"), digest_of(b"parent")
    free = BundleSources(blobs, tmp_path / "sources", None)
    submitted = await free.platforms(platform=platform, platform_parents={"../above.yaml": parent})
    assert submitted == {"submitted": platform, "submitted ../above.yaml": parent}
    assert await free.platforms(platform=None, platform_parents={}) == {
        "installed": digest_of(DEFAULT_PLATFORM.encode())
    }
    file = tmp_path / "platform.yaml"
    file.write_bytes(b"platform")
    fixed = BundleSources(blobs, tmp_path / "sources", file)
    assert await fixed.platforms(platform=None, platform_parents={}) == {"installed": platform}
    with pytest.raises(PlatformFixed):
        await fixed.platforms(platform=platform, platform_parents={})


def test_code_counts_by_its_bytes_and_its_requirements() -> None:
    assert code_digest() == code_digest()
    assert code_digest(["floe_contracts"]) != code_digest(["floe_contracts", "floe_dbt"])


@pytest.fixture
async def outcome(blobs: BlobStore) -> CachedCompilation:
    """A compilation all of which is stored."""
    spec = read_floe_spec(
        "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: shop, version: 1.0.0, owner: me@example.com}\n"
        "transforms: [{type: dbt, path: dbt}]\n"
    )
    platform = read_platform_spec(
        "apiVersion: floe.dev/v1\nkind: PlatformSpec\nmetadata: {name: local, version: 1.0.0, owner: me@example.com}\n"
        "environments: {dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}}\n"
        "compute: {small: {type: duckdb}}\nstorage: {local: {type: local}}\ncatalogs: {local: {type: sql}}\n"
    )
    stored = {name: await blobs.put(name.encode()) for name in ("bundle", "packages", "manifest", "nodes")}
    environments = {
        name: environment.model_copy(update={"manifest": stored["manifest"], "nodes": stored["nodes"]})
        for name, environment in resolve(spec, platform).items()
    }
    artifact = assemble(
        spec,
        platform,
        bundle=stored["bundle"],
        packages=stored["packages"],
        platform_digest=digest_of(b"platform"),
        tools=TOOLS,
        environments=environments,
        data_contracts=(),
    )
    await blobs.put(artifact.to_bytes())
    summary = EnforcementSummary(
        status="not_checked",
        errors=0,
        warnings=0,
        notes=0,
        not_checked=("FLOE-GOV-210",),
        findings=(),
        report_digest=await blobs.put(b"report"),
        sarif_digest=await blobs.put(b"sarif"),
    )
    return CachedCompilation(artifact, summary, Days(last=date(2026, 11, 30)))


@pytest.fixture
def cache(bus: Bus, blobs: BlobStore) -> KeyValueCompileCache:
    return KeyValueCompileCache(lambda: bus.key_value(COMPILATIONS_BUCKET), blobs)


async def test_an_outcome_is_found_again_as_it_was(cache: KeyValueCompileCache, outcome: CachedCompilation) -> None:
    assert await cache.find(KEY, TODAY) is None
    await cache.remember(KEY, outcome)
    assert await cache.find(KEY, TODAY) == outcome
    assert await cache.find(KEY, date(2026, 12, 1)) is None, "an exception has ended"
    assert await cache.find(cache_key(replace(INPUTS, tenant="acme")), TODAY) is None


async def test_without_any_of_its_blobs_it_is_compiled_again(
    cache: KeyValueCompileCache, outcome: CachedCompilation, tmp_path: Path
) -> None:
    await cache.remember(KEY, outcome)
    needed = {*named_blobs(outcome), outcome.artifact.digest()}
    assert len(needed) == 7
    for digest in needed:
        file = tmp_path / "blobs" / "sha256" / digest.removeprefix("sha256:")
        content = file.read_bytes()
        file.unlink()
        assert await cache.find(KEY, TODAY) is None, digest
        file.write_bytes(content)
    assert await cache.find(KEY, TODAY) == outcome


async def test_an_artifact_that_is_not_what_its_digest_says_is_not_announced(
    cache: KeyValueCompileCache, outcome: CachedCompilation, tmp_path: Path
) -> None:
    await cache.remember(KEY, outcome)
    file = tmp_path / "blobs" / "sha256" / outcome.artifact.digest().removeprefix("sha256:")
    file.write_bytes(file.read_bytes().replace(b'"shop"', b'"chop"'))
    assert await cache.find(KEY, TODAY) is None


@pytest.mark.parametrize("entry", [b"", b"{", b"[]", b'{"artifact": "x"}', b'{"artifact": 1}'])
async def test_an_unreadable_entry_is_none(cache: KeyValueCompileCache, bus: Bus, entry: bytes) -> None:
    await (await bus.key_value(COMPILATIONS_BUCKET)).put(KEY, entry)
    assert await cache.find(KEY, TODAY) is None


async def test_an_artifact_of_another_major_is_compiled_again(
    cache: KeyValueCompileCache, bus: Bus, blobs: BlobStore, outcome: CachedCompilation
) -> None:
    document = outcome.artifact.to_document() | {"version": "2.0.0"}
    digest = await blobs.put(json.dumps(document).encode())
    await (await bus.key_value(COMPILATIONS_BUCKET)).put(KEY, json.dumps({"artifact": digest}).encode())
    assert await cache.find(KEY, TODAY) is None


async def test_a_bus_without_the_bucket_costs_a_parse_and_no_more(
    bus: Bus, blobs: BlobStore, outcome: CachedCompilation
) -> None:
    cache = KeyValueCompileCache(lambda: bus.key_value("floe_nowhere"), blobs)
    await cache.remember(KEY, outcome)
    assert await cache.find(KEY, TODAY) is None


async def test_a_bus_that_is_away_costs_a_parse_and_no_more(
    cache: KeyValueCompileCache, bus: Bus, outcome: CachedCompilation
) -> None:
    await bus.close()
    await cache.remember(KEY, outcome)
    assert await cache.find(KEY, TODAY) is None


def test_an_outcome_without_packages_names_no_bundle_of_them(outcome: CachedCompilation) -> None:
    sources = outcome.artifact.sources.model_copy(update={"packages": None})
    artifact: CompiledArtifacts = outcome.artifact.model_copy(update={"sources": sources})
    assert outcome.artifact.sources.packages not in named_blobs(CachedCompilation(artifact))
    assert len(named_blobs(CachedCompilation(artifact))) == 3
