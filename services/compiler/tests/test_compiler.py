"""The compiler from the submission on the bus to the artifact on the bus."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import read_dead_letter
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import COMPILER, DLQ, SPECS
from floe_compiler.compilation import _all
from floe_compiler.core.stages import Stage
from floe_compiler.errors import ProfileUnknown
from floe_contracts import subjects
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import digest_of, short
from floe_contracts.events import ArtifactCompiled, ArtifactRejected, Event, SpecSubmitted
from floe_contracts.nodes import NodeGraph

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Shop = dict[str, str | bytes]


class Start(Protocol):
    async def __call__(self, **variables: str) -> object: ...


class Submissions(Protocol):
    bus: Bus

    async def submit(self, files: Shop, submission: str = "s1", **options: Any) -> SpecSubmitted: ...
    async def outcomes(self) -> list[Received[Event]]: ...
    async def compiled(self, submission: str = "s1") -> ArtifactCompiled: ...
    async def rejected(self, submission: str = "s1") -> ArtifactRejected: ...


async def test_a_submission_becomes_an_artifact(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str, blobs: BlobStore
) -> None:
    await start_compiler()
    submitted = await submissions.submit(shop, platform=platform_yaml)
    compiled = await submissions.compiled()

    artifact = read_artifact(await blobs.get(compiled.artifact_digest), compiled.artifact_digest)
    assert artifact.to_document() == compiled.artifact
    assert (compiled.tenant, compiled.product, compiled.submission) == ("default", "shop", "s1")
    assert artifact.sources.bundle == submitted.bundle
    assert artifact.sources.platform == submitted.platform == digest_of(platform_yaml.encode())
    assert set(artifact.environments) == {"dev", "prod"}
    assert artifact.environments["prod"].compute.properties == {"memory_limit": "2GB"}
    for environment in artifact.environments.values():
        manifest = json.loads(await blobs.get(environment.manifest))
        assert "model.shop.orders" in manifest["nodes"]
        graph = NodeGraph.model_validate_json(await blobs.get(environment.nodes))
        assert [node.unique_id for node in graph.nodes] == ["model.shop.orders", "seed.shop.raw_orders"]
        orders = graph.nodes[0]
        assert (orders.expose, orders.owner, orders.depends_on) == (True, "shop@example.com", ("seed.shop.raw_orders",))
        customer = next(column for column in orders.columns if column.name == "customer")
        assert customer.classification is not None
        assert (customer.classification.classification, customer.classification.pii_type) == ("pii", "name")
        assert orders.primary_key == ("id",)
    (received,) = await submissions.outcomes()
    assert received.attributes.id == f"shop:s1:{short(compiled.artifact_digest)}"
    assert received.attributes.causeid == "shop:s1"


async def test_the_same_source_has_the_same_digest_wherever_it_stands(
    start_compiler: Start, submissions: Submissions, shop: Shop, bus_settings: ChassisSettings
) -> None:
    await start_compiler()
    await submissions.submit(shop)
    first = await submissions.compiled()
    await start_compiler(FLOE_WORK_DIR=str(bus_settings.work_dir.with_name("elsewhere")))
    for number in (2, 3, 4):  # whichever of the two takes them
        await submissions.submit(shop, f"s{number}", folder="a/deeper/folder")
        assert (await submissions.compiled(f"s{number}")).artifact_digest == first.artifact_digest
    shop["dbt/models/orders.sql"] = "select id, customer, 1 as amount from {{ ref('raw_orders') }}\n"
    await submissions.submit(shop, "s5", folder="changed")
    assert (await submissions.compiled("s5")).artifact_digest != first.artifact_digest


async def test_no_secret_of_the_compilers_environment_leaves_it(
    start_compiler: Start, submissions: Submissions, shop: Shop, canary: str, tmp_path: Path
) -> None:
    await start_compiler()
    shop["dbt/models/orders.sql"] = "select '{{ env_var('SHOP_PASSWORD', 'unset') }}' as found\n"
    await submissions.submit(shop)
    await submissions.compiled()
    shop["dbt/models/orders.sql"] = "select '{{ env_var('DBT_ENV_SECRET_PASSWORD') }}' as found\n"
    await submissions.submit(shop, "s2", folder="secret")
    rejected = await submissions.rejected("s2")
    assert "DBT_ENV_SECRET_PASSWORD" in rejected.problems[0].message

    blobs = _files_below(tmp_path / "blobs")
    assert len(blobs) > 5
    assert [path for path in _files_below(tmp_path) if canary.encode() in path.read_bytes()] == []
    assert [event for event in await submissions.outcomes() if canary in event.event.model_dump_json()] == []


def _named(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(name))


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


FLOE_YAML = "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: shop, version: 1.0.0, owner: me}\n"
TRANSFORMS = "transforms: [{type: dbt, path: dbt}]\n"
ROW_OWNER = "governance: {rowOwner: {column: brand, claim: brand}}\n"
META = "models: [{name: orders, columns: [{name: id, config: {meta: {floe: {classification: pi}}}}]}]\n"
MODEL = "dbt/models/orders.sql"
REJECTIONS: dict[str, tuple[dict[str, str | bytes | None], str, list[tuple[str, str | None, str | None]]]] = {
    "no floe.yaml": ({"floe.yaml": None}, "load", [("FLOE-COMP-001", "floe.yaml", None)]),
    "floe.yaml is not UTF-8": ({"floe.yaml": b"name: caf\xe9\n"}, "validate", [("FLOE-SPEC-002", "floe.yaml", None)]),
    "two wrong fields": (
        {"floe.yaml": FLOE_YAML + TRANSFORMS + "landign: {}\ncompute: ''\n"},
        "validate",
        [("FLOE-SPEC-003", "floe.yaml", "landign"), ("FLOE-SPEC-003", "floe.yaml", "compute")],
    ),
    "another product": (
        {"floe.yaml": FLOE_YAML.replace("shop", "store") + TRANSFORMS},
        "validate",
        [("FLOE-COMP-002", "floe.yaml", "metadata.name")],
    ),
    "unknown profile": (
        {"floe.yaml": FLOE_YAML + TRANSFORMS + "compute: defalt\n"},
        "resolve",
        [("FLOE-COMP-003", "floe.yaml", "compute")],
    ),
    "no dbt project": ({"dbt/dbt_project.yml": None}, "resolve", [("FLOE-DBT-010", "dbt/dbt_project.yml", None)]),
    "files of others": (
        {"dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nmodel-paths: [../../other]\n"},
        "resolve",
        [("FLOE-DBT-013", "dbt/dbt_project.yml", "model-paths")],
    ),
    "more words than an event holds": (
        {MODEL: "{{ exceptions.raise_compiler_error('no! ' * 600000) }}"},
        "resolve",
        [("FLOE-DBT-011", MODEL, None)],
    ),
    "broken model": ({MODEL: "select {{ ref('nowhere') }}"}, "resolve", [("FLOE-DBT-011", MODEL, None)]),
    "bad meta.floe": (
        {"dbt/models/schema.yml": META},
        "resolve",
        [("FLOE-DBT-021", "dbt/models/schema.yml", "orders.columns.id.meta.floe.classification")],
    ),
    "row owner without a column": (
        {"floe.yaml": FLOE_YAML + TRANSFORMS + ROW_OWNER},
        "enforce",
        [("FLOE-COMP-005", "floe.yaml", "governance.rowOwner.column")],
    ),
}


async def test_what_is_wrong_is_told_with_its_stage_and_place(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    for name, (changes, stage, problems) in REJECTIONS.items():
        files = {path: content for path, content in (shop | changes).items() if content is not None}
        await submissions.submit(files, name, folder=name)
        rejected = await submissions.rejected(name)
        assert rejected.stage == stage, name
        assert [(problem.code, problem.file, problem.path) for problem in rejected.problems] == problems, name
        assert "/work/" not in rejected.model_dump_json(), name
    hints = [problem.hint for received in await submissions.outcomes() for problem in received.event.problems]  # type: ignore[attr-defined]
    assert "did you mean 'default'?" in hints
    assert "did you mean 'landing'?" in hints
    assert "did you mean 'pii'?" in hints


async def test_a_warehouse_whose_adapter_is_not_installed_has_its_own_error(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str
) -> None:
    await start_compiler()
    password = "{mode: password, user: me, password: {secretRef: wh-password}}"
    warehouse = f"{{type: snowflake, account: a, database: d, schema: s, credentials: {password}}}"
    platform = platform_yaml.replace("large: {type: duckdb, threads: 4, memoryLimit: 2GB}", f"large: {warehouse}")
    await submissions.submit(shop, platform=platform)
    rejected = await submissions.rejected()
    (problem,) = rejected.problems
    assert (rejected.stage, problem.code, problem.path) == ("resolve", "FLOE-DBT-032", "compute.large.type")
    assert problem.message == "the dbt adapter for snowflake is not installed"
    assert problem.hint is not None
    assert "dbt-snowflake" in problem.hint


async def test_a_platform_that_is_not_utf_8_is_rejected(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    await submissions.submit(shop, platform=b"kind: \xff\n")
    (problem,) = (await submissions.rejected()).problems
    assert (problem.code, problem.file) == ("FLOE-SPEC-002", "platform.yaml")


async def test_where_the_platform_is_set_no_submission_brings_its_own(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(platform_yaml)
    await start_compiler(FLOE_COMPILER_PLATFORM_FILE=str(file))
    await submissions.submit(shop, platform=platform_yaml)
    rejected = await submissions.rejected()
    assert (rejected.stage, rejected.problems[0].code) == ("load", "FLOE-COMP-004")
    await submissions.submit(shop, "s2")
    artifact = (await submissions.compiled("s2")).artifact
    assert set(artifact["environments"]) == {"dev", "prod"}
    assert artifact["sources"]["platform"] == digest_of(platform_yaml.encode())


async def test_a_platform_that_is_away_is_waited_for(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    await start_compiler(FLOE_COMPILER_PLATFORM_FILE=str(file))
    await submissions.submit(shop)

    async def tried_again() -> bool:
        return ((await submissions.bus.js.consumer_info(SPECS, COMPILER)).num_redelivered or 0) > 0

    await eventually(tried_again)
    file.write_text(platform_yaml)
    assert set((await submissions.compiled()).artifact["environments"]) == {"dev", "prod"}


async def test_a_product_without_models_compiles_and_claims_no_passed_rule(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    await submissions.submit(
        {path: text for path, text in shop.items() if "models" not in path and "seeds" not in path}
    )
    compiled = await submissions.compiled()
    assert compiled.enforcement is not None
    assert compiled.enforcement.status == "not_checked"
    assert compiled.plan is not None
    assert compiled.plan.environments["dev"].counts.added == 0


async def test_the_same_name_for_other_sources_gets_its_own_refusal(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    for number, text in enumerate(("compute: defalt\n", "landign: {}\n")):
        await submissions.submit(shop | {"floe.yaml": FLOE_YAML + TRANSFORMS + text}, message_id=f"m{number}")

    async def both() -> bool:
        said = [received.event for received in await submissions.outcomes()]
        return {event.stage for event in said if isinstance(event, ArtifactRejected)} == {"resolve", "validate"}

    await eventually(both)


async def test_the_same_submission_twice_is_one_artifact(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    await submissions.submit(shop)
    await submissions.submit(shop)  # the bus knows it by its id
    await submissions.submit(shop, message_id="shop:s1:again")  # this one is compiled again
    await submissions.submit(shop, "s2")
    await submissions.compiled("s2")
    said = [event.event for event in await submissions.outcomes()]
    assert [event.submission for event in said if isinstance(event, ArtifactCompiled)] == ["s1", "s2"]
    assert (await submissions.bus.js.consumer_info(SPECS, COMPILER)).num_ack_pending == 0


async def test_a_bundle_that_comes_late_is_waited_for(
    start_compiler: Start, submissions: Submissions, shop: Shop, blobs: BlobStore, bus_settings: ChassisSettings
) -> None:
    await start_compiler()
    path = Path((bus_settings.blobs_url or "").removeprefix("file://"))
    hidden = path.with_name("hidden")
    await submissions.submit(shop, message_id="first")
    submitted = await submissions.compiled()
    bundle = submitted.artifact["sources"]["bundle"].removeprefix("sha256:")
    (path / "sha256" / bundle).rename(hidden)
    await submissions.submit(shop | {"dbt/models/new.sql": "select 1 as id"}, "s2", folder="new")
    await submissions.compiled("s2")
    event = SpecSubmitted(tenant="default", product="shop", submission="s3", bundle=f"sha256:{bundle}")
    await submissions.bus.publish(event, id="shop:s3")

    async def tried_again() -> bool:
        consumer = await submissions.bus.js.consumer_info(SPECS, COMPILER)
        return (consumer.num_redelivered or 0) > 0

    await eventually(tried_again)
    hidden.rename(path / "sha256" / bundle)
    assert (await submissions.compiled("s3")).artifact_digest == submitted.artifact_digest


async def test_rubbish_goes_to_the_dead_letters_and_keeps_nobody_waiting(
    start_compiler: Start, submissions: Submissions, shop: Shop
) -> None:
    await start_compiler()
    bus = submissions.bus
    subject = f"{subjects.ROOT}.spec.submitted.default.shop"
    await bus.publish_raw(subject, b"{", {"ce-type": "dev.floe.spec.submitted.v1"}, "rubbish")
    await bus.publish_raw(subject, b"{}", {"ce-type": "dev.floe.spec.submitted.v7"}, "major")
    await submissions.submit(shop)
    await submissions.compiled()
    letters = [await bus.js.get_msg(DLQ, sequence) for sequence in (1, 2)]
    reasons = [read_dead_letter(letter.headers or {}, letter.data or b"").reason for letter in letters]
    assert "not JSON" in reasons[0]
    assert "'v7'" in reasons[1]


async def test_a_tenants_name_is_no_path(
    start_compiler: Start, submissions: Submissions, shop: Shop, tmp_path: Path
) -> None:
    await start_compiler()
    submitted = await submissions.submit(shop)
    event = submitted.model_copy(update={"tenant": "../../outside", "submission": "s2"})
    await submissions.bus.publish(event, id="outside:s2")
    assert (await submissions.compiled("s2")).artifact_digest == (await submissions.compiled()).artifact_digest
    assert _named(tmp_path, "outside") == []


async def test_all_environments_are_waited_for_when_one_is_refused() -> None:
    ended = asyncio.Event()

    async def refused() -> str:
        raise ProfileUnknown("no")

    async def slow() -> str:
        await asyncio.sleep(0.05)
        ended.set()
        return "parsed"

    with pytest.raises(ProfileUnknown):
        await _all([refused(), slow()])
    assert ended.is_set()
    assert await _all([slow(), slow()]) == ["parsed", "parsed"]


async def test_fields_of_a_newer_minor_are_ignored(start_compiler: Start, submissions: Submissions, shop: Shop) -> None:
    await start_compiler()
    submitted = await submissions.submit(shop, "old")
    newer = submitted.model_dump(exclude_none=True) | {"submission": "new", "priority": "high"}
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "shop:new",
        "ce-source": "elsewhere",
        "ce-type": "dev.floe.spec.submitted.v1",
        "ce-time": "2026-11-20T09:30:00Z",
    }
    await submissions.bus.publish_raw(submitted.subject(), json.dumps(newer).encode(), headers, "shop:new")
    assert (await submissions.compiled("new")).artifact_digest == (await submissions.compiled("old")).artifact_digest


def _stages(log: str, submission: str) -> list[str]:
    """The stages that the compiler's log names for a submission."""
    lines = [line for line in log.splitlines() if "stage done" in line and f"message_id=shop:{submission} " in line]
    return [line.partition(" stage=")[2].split()[0] for line in lines]


async def test_the_same_inputs_are_announced_again_without_a_parse(
    start_compiler: Start,
    submissions: Submissions,
    shop: Shop,
    blobs: BlobStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await start_compiler()
    await submissions.submit(shop)
    first = await submissions.compiled()
    await submissions.submit(shop, "s2", folder="again")
    second = await submissions.compiled("s2")
    assert (second.artifact_digest, second.artifact) == (first.artifact_digest, first.artifact)
    assert second.enforcement == first.enforcement

    lost = second.artifact["environments"]["dev"]["nodes"].removeprefix("sha256:")
    (stored,) = (path for path in (tmp_path / "blobs").rglob(f"*{lost}*") if path.is_file())
    stored.unlink()
    await submissions.submit(shop, "s3", folder="a third time")
    third = await submissions.compiled("s3")
    assert third.artifact_digest == first.artifact_digest
    assert await blobs.get(third.artifact["environments"]["dev"]["nodes"])
    log = capsys.readouterr().out
    assert [_stages(log, name) for name in ("s1", "s2", "s3")] == [list(Stage), ["load"], list(Stage)]
