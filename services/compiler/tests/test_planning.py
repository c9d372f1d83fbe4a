"""Plans of submissions that are really parsed, from the event that asks to the event that answers."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_compiler.adapters.artifact_history import StreamArtifactHistory
from floe_compiler.errors import PlanBaseUnknown
from floe_compiler.outcomes import outcome_id, planned_or_compiled
from floe_compiler.planning import Planned, Planner
from floe_contracts import subjects
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import digest_of
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactPlanned,
    ArtifactRejected,
    Event,
    SpecSubmitted,
    submission_event_id,
)
from floe_contracts.plans import EnvironmentPlan, Plan
from floe_contracts.subjects import EventKind
from floe_dbt import shared
from floe_dbt.environment import dbt_environment

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Shop = dict[str, str | bytes]
MART = "dbt/models/mart.sql"
SCHEMA = "dbt/models/schema.yml"


class Start(Protocol):
    async def __call__(self, **variables: str) -> object: ...


class Submissions(Protocol):
    bus: Bus

    async def submit(self, files: Shop, submission: str = "s1", **options: Any) -> SpecSubmitted: ...
    async def outcomes(self) -> list[Received[Event]]: ...
    async def outcome(self, submission: str = "s1", *, dry_run: bool = False) -> Event: ...
    async def compiled(self, submission: str = "s1") -> ArtifactCompiled: ...
    async def rejected(self, submission: str = "s1") -> ArtifactRejected: ...


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """The shop with a second model below the first, and a third apart from both."""
    return shop | {
        MART: "select count(*) as orders from {{ ref('orders') }}\n",
        "dbt/models/loose.sql": "select 1 as a\n",
    }


async def dry_run(submissions: Submissions, files: Shop, submission: str, against: str | None = None) -> Event:
    """What the compiler answers to a dry run."""
    options = {"dry_run": True, "against": against, "message_id": f"dry:{submission}"}
    await submissions.submit(files, submission, folder=submission, **options)
    return await submissions.outcome(submission, dry_run=True)


async def planned(submissions: Submissions, files: Shop, submission: str, against: str | None = None) -> Plan:
    event = await dry_run(submissions, files, submission, against)
    assert isinstance(event, ArtifactPlanned), event
    return event.plan


def changes(plan: EnvironmentPlan) -> dict[str, tuple[str, ...]]:
    return {node.name: node.changes for node in plan.nodes}


def edited(shop: Shop, path: str, before: str, after: str) -> Shop:
    text = str(shop[path])
    assert before in text
    return shop | {path: text.replace(before, after)}


async def test_each_kind_of_change_is_told_as_what_it_is(
    start_compiler: Start, submissions: Submissions, shop: Shop, platform_yaml: str, blobs: BlobStore
) -> None:
    await start_compiler()
    await submissions.submit(shop, "first")
    first = await submissions.compiled("first")
    assert first.plan is not None
    assert (first.plan.against, first.plan.environments["dev"].counts.added) == (None, 4)
    assert Plan.read(json.loads(await blobs.get(first.plan_digest or ""))) == first.plan
    assert digest_of(first.plan.to_bytes()) == first.plan_digest

    assert (await planned(submissions, shop, "nothing")).is_empty

    sql = await planned(submissions, edited(shop, "dbt/models/orders.sql", "customer", "customer, 1 as one"), "sql")
    assert sql.against == first.artifact_digest
    assert changes(sql.environments["dev"]) == {"mart": ("upstream",), "orders": ("sql",)}
    assert sql.environments["dev"].counts.runs == 2
    assert sql.environments["dev"].nodes[0].because == ("model.shop.orders", "model.shop.mart")

    owner = await planned(submissions, edited(shop, SCHEMA, "owner: shop@example.com", "owner: me"), "docs")
    assert changes(owner.environments["dev"]) == {"orders": ("metadata",)}
    assert (owner.environments["dev"].counts.runs, owner.environments["dev"].dbt_selection) == (0, ())

    tests = await planned(submissions, edited(shop, SCHEMA, "[unique, not_null]", "[unique]"), "tests")
    assert changes(tests.environments["dev"]) == {"orders": ("tests",)}

    without = await planned(submissions, edited(shop, SCHEMA, "name: customer", "name: client"), "column")
    assert [(one.severity, one.kind, one.subject) for one in without.impacts] == [
        ("breaking", "cube", "orders.customer"),
        ("warning", "version", "metadata.version"),
    ]

    enforced = edited(shop, SCHEMA, "- {name: id,", "- {name: id, data_type: integer,")
    enforced = edited(enforced, SCHEMA, "- {name: customer,", "- {name: customer, data_type: varchar,")
    enforced = edited(
        enforced,
        SCHEMA,
        "config: {meta",
        "config: {contract: {enforced: true}, meta",
    )
    contract = await planned(submissions, enforced, "contract")
    assert changes(contract.environments["dev"])["orders"] == ("contract", "metadata")

    seed = await planned(submissions, shop | {"dbt/seeds/raw_orders.csv": "id,customer\n1,zoe\n"}, "seed")
    assert changes(seed.environments["dev"]) == {"mart": ("upstream",), "orders": ("upstream",), "raw_orders": ("sql",)}

    said = [received.event.kind for received in await submissions.outcomes()]
    assert said == [EventKind.ARTIFACT_COMPILED] + [EventKind.ARTIFACT_PLANNED] * 7


async def test_a_dry_run_stands_beside_the_submission_and_compares_with_what_it_names(
    start_compiler: Start, submissions: Submissions, shop: Shop, blobs: BlobStore
) -> None:
    await start_compiler()
    await submissions.submit(shop, "first")
    first = await submissions.compiled("first")
    other = edited(shop, "dbt/models/orders.sql", "id,", "id, 1 as one,")
    dry = await dry_run(submissions, other, "second")
    assert isinstance(dry, ArtifactPlanned)
    # A planned artifact can be compared with, too; what is live is still the first.
    again = await planned(submissions, other, "third", against=dry.artifact_digest)
    assert (again.is_empty, again.against) == (True, dry.artifact_digest)
    await submissions.submit(other, "second")
    second = await submissions.compiled("second")
    assert (second.artifact_digest, second.plan) == (dry.artifact_digest, dry.plan)
    back = await planned(submissions, other, "fourth", against=first.artifact_digest)
    assert changes(back.environments["dev"]) == {"mart": ("upstream",), "orders": ("sql",)}
    assert (await planned(submissions, other, "fifth", against="latest")).is_empty


@pytest.mark.parametrize("against", ["nonsense", "sha256:" + "0" * 64, "manifest", "other product"])
async def test_what_a_dry_run_cannot_be_compared_with_is_a_rejection(
    start_compiler: Start, submissions: Submissions, shop: Shop, blobs: BlobStore, against: str
) -> None:
    await start_compiler()
    await submissions.submit(shop, "first")
    compiled = await submissions.compiled("first")
    artifact = read_artifact(await blobs.get(compiled.artifact_digest), compiled.artifact_digest)
    if against == "manifest":
        against = artifact.environments["dev"].manifest
    if against == "other product":
        product = artifact.product.model_copy(update={"name": "store"})
        against = await blobs.put(artifact.model_copy(update={"product": product}).to_bytes())
    refused = await dry_run(submissions, shop, "second", against)
    assert isinstance(refused, ArtifactRejected)
    assert refused.dry_run
    assert [problem.code for problem in refused.problems] == [PlanBaseUnknown.code]


async def test_what_was_compiled_before_may_be_gone(
    start_compiler: Start, submissions: Submissions, shop: Shop, bus_settings: ChassisSettings
) -> None:
    await start_compiler()
    await submissions.submit(shop, "first")
    first = await submissions.compiled("first")
    folder = Path((bus_settings.blobs_url or "").removeprefix("file://")) / "sha256"
    nodes = first.artifact["environments"]["dev"]["nodes"].removeprefix("sha256:")
    (folder / nodes).unlink()
    other = edited(shop, "dbt/models/orders.sql", "id,", "id, 1 as one,")
    refused = await dry_run(submissions, other, "dry")
    assert isinstance(refused, ArtifactRejected)
    assert refused.problems[0].code == PlanBaseUnknown.code
    await submissions.submit(other, "second")
    second = await submissions.compiled("second")
    assert (second.plan, second.plan_digest) == (None, None)


async def test_a_submission_that_comes_twice_is_told_with_the_same_plan(
    start_compiler: Start, submissions: Submissions, shop: Shop, blobs: BlobStore
) -> None:
    """By the second time its own artifact is the last one; against that nothing would change."""
    await start_compiler()
    submitted = await submissions.submit(shop)
    first = await submissions.compiled()
    artifact = read_artifact(await blobs.get(first.artifact_digest), first.artifact_digest)
    planner = Planner(StreamArtifactHistory(submissions.bus), blobs)
    again = await planner.plan(submitted, artifact)
    assert again == Planned(first.plan, first.plan_digest)  # type: ignore[arg-type]
    for other in ({"submission": "s2"}, {"dry_run": True}):
        later = await planner.plan(submitted.model_copy(update=other), artifact)
        assert later is not None
        assert later.plan.is_empty
        assert later.plan.environments["dev"].counts.unchanged == 4


async def test_the_selection_is_what_dbt_would_build(
    start_compiler: Start, submissions: Submissions, shop: Shop, bus_settings: ChassisSettings, dbt_folder: Path
) -> None:
    """dbt itself lists what the selection names; a folder and a package with the name of a model change nothing."""
    shop |= {
        "dbt/models/shop.sql": "select 1 as id",
        "dbt/models/orders/inner.sql": "select 2 as id",
        "dbt/tests/few.sql": "select 1 from {{ ref('loose') }} where false",
    }
    await start_compiler()
    await submissions.submit(shop, "first")
    await submissions.compiled("first")
    other = edited(shop, "dbt/models/orders.sql", "id,", "id, 1 as one,") | {
        "dbt/models/shop.sql": "select 3 as id",
        "dbt/tests/few.sql": "select 2 from {{ ref('loose') }} where false",
    }
    plan = (await planned(submissions, other, "second")).environments["dev"]
    assert plan.tests == ("test.shop.few",)
    listed = _listed(bus_settings.work_dir / "compiler", dbt_folder, plan.dbt_selection or ())
    assert listed["model"] == {node.name for node in plan.nodes if node.runs} == {"mart", "orders", "shop"}
    assert {name.partition("_orders_")[0] for name in listed["test"]} == {"few", "not_null", "unique"}
    assert listed.keys() == {"model", "test"}


def _listed(work: Path, dbt_folder: Path, selection: tuple[str, ...]) -> Mapping[str, set[str]]:
    """Names of what `dbt ls` lists for a selection, by kind; in the compiler's own folders."""
    (state,) = {path.parent for path in work.rglob("profiles") if path.is_dir()}
    (project,) = (path.parent for path in (work / "sources").rglob("dbt_project.yml"))
    dbt = shared.acquire(dbt_folder)
    try:
        with tempfile.TemporaryFile() as output:
            ended = dbt.invoke(
                [
                    *("--quiet", "--no-use-colors", "--log-path", str(state)),
                    *("ls", "--output", "json", "--output-keys", "name resource_type"),
                    *("--project-dir", str(project), "--target-path", str(state / "listed"), "--profile", "floe"),
                    *("--target", "dev", "--select", *selection),
                ],
                cwd=project,
                environment=dbt_environment(os.environ, profiles_dir=state / "profiles", secrets={}),
                output=output,
            )
            output.seek(0)
            said = output.read().decode()
    finally:
        shared.release(dbt_folder)
    assert ended.returncode == 0, said
    found: dict[str, set[str]] = {}
    for line in said.splitlines():
        node = json.loads(line)
        found.setdefault(node["resource_type"], set()).add(node["name"])
    return found


async def test_the_history_is_the_last_of_its_product_alone(bus: Bus, compiled_event: ArtifactCompiled) -> None:
    history = StreamArtifactHistory(bus)
    assert await history.latest("default", "shop") is None
    later = compiled_event.model_copy(update={"submission": "s2"})
    for number, event in enumerate(
        (compiled_event, later, compiled_event.model_copy(update={"product": "store", "submission": "s3"}))
    ):
        await bus.publish(event, id=str(number))
    assert await history.latest("default", "shop") == later
    assert await history.latest("acme", "shop") is None


async def test_a_history_of_another_major_is_refused_and_one_out_of_reach_is_waited_for(
    bus: Bus, compiled_event: ArtifactCompiled
) -> None:
    history = StreamArtifactHistory(bus)
    await bus.publish_raw(compiled_event.subject(), b"{}", {"ce-type": "dev.floe.artifacts.compiled.v7"}, "newer")
    with pytest.raises(ContractError, match="'v7'"):
        await history.latest("default", "shop")
    await bus.close()
    with pytest.raises(Unreachable):
        await history.latest("default", "shop")


@pytest.fixture
def compiled_event() -> ArtifactCompiled:
    digest = digest_of(b"artifact")
    return ArtifactCompiled(
        tenant="default", product="shop", submission="s1", artifact_digest=digest, artifact={}, seconds=1.0
    )


def test_a_dry_run_is_never_announced_as_compiled() -> None:
    real = SpecSubmitted(tenant="default", product="shop", submission="s1", bundle=digest_of(b"bundle"))
    dry = real.model_copy(update={"dry_run": True})
    with pytest.raises(PlanBaseUnknown):
        planned_or_compiled(dry, None, None, None, seconds=1.0)  # type: ignore[arg-type]
    ids = {submission_event_id(one) for one in (real, dry, dry.model_copy(update={"against": digest_of(b"a")}))}
    assert len(ids) == 3
    rejected = ArtifactRejected(tenant="default", product="shop", submission="s1", stage="load", problems=())
    assert outcome_id(real, rejected) != outcome_id(dry, rejected)
    assert subjects.pattern(EventKind.ARTIFACT_PLANNED, tenant="a", product="b") == "floe.v1.artifacts.planned.a.b"
