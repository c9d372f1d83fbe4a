"""`floe plan`: against a bus where the test answers, and on a stack of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import SPECS
from floe_cli.exit_codes import ExitCode
from floe_contracts.cloudevents import decode
from floe_contracts.digests import digest_of
from floe_contracts.events import ArtifactPlanned, ArtifactRejected, Problem, ProductEvent, SpecSubmitted
from floe_contracts.plans import EnvironmentPlan, Plan, PlanCounts, PlannedNode

Floe = Callable[..., Any]
DIGEST = digest_of(b"artifact")
NODE = PlannedNode(
    unique_id="model.shop.orders", name="orders", resource_type="model", action="changed", changes=("sql",), runs=True
)
KEPT = EnvironmentPlan(
    presence="kept", counts=PlanCounts(changed=1, runs=1), nodes=(NODE,), dbt_selection=("orders,file:orders.sql",)
)
PLAN = Plan(product="shop", against=DIGEST, artifact_digest=DIGEST, environments={"dev": KEPT})


def planned(submitted: SpecSubmitted, plan: Plan, whole: str = DIGEST) -> ArtifactPlanned:
    return ArtifactPlanned(
        tenant=submitted.tenant,
        product=submitted.product,
        submission=submitted.submission,
        artifact_digest=DIGEST,
        plan=plan,
        plan_digest=whole,
        seconds=0.5,
    )


async def answered(
    bus: Bus, floe: Floe, answer: Callable[[SpecSubmitted], Awaitable[ProductEvent]], *arguments: object
) -> tuple[Any, SpecSubmitted]:
    """What `floe` says when the compiler answers in that way, and what it asked."""
    running = asyncio.create_task(asyncio.to_thread(floe, "plan", *arguments))

    async def stored() -> bool:
        return (await bus.js.stream_info(SPECS)).state.messages == 1

    await eventually(stored)
    message = await bus.js.get_msg(SPECS, 1)
    asked = decode(message.subject, message.headers, message.data).event
    assert isinstance(asked, SpecSubmitted)
    await bus.publish(await answer(asked), id="answer")
    return await asyncio.wait_for(running, 60), asked


@pytest.mark.bus
@pytest.mark.parametrize("against", [None, "latest", DIGEST])
async def test_a_dry_run_is_asked_for_and_shown(
    bus: Bus, configured: ChassisSettings, floe: Floe, product: Any, against: str | None
) -> None:
    async def answer(asked: SpecSubmitted) -> ProductEvent:
        return planned(asked, PLAN)

    options = () if against is None else ("--against", against)
    said, asked = await answered(bus, floe, answer, product(), *options)
    assert (said.code, said.err) == (0, "")
    assert "sql     model.shop.orders  changed itself" in said.out
    assert (asked.dry_run, asked.against) == (True, against)


@pytest.mark.bus
async def test_the_whole_plan_is_shown_when_the_event_has_a_summary(
    bus: Bus, configured: ChassisSettings, floe: Floe, product: Any, tmp_path: Path
) -> None:
    whole = await open_blobs(configured.blobs_url).put(PLAN.to_bytes())
    left_out = KEPT.model_copy(update={"nodes": (), "omitted": 1, "dbt_selection": None})

    async def answer(asked: SpecSubmitted) -> ProductEvent:
        return planned(asked, PLAN.model_copy(update={"environments": {"dev": left_out}}), whole)

    file = tmp_path / "a" / "plan.json"
    said, _ = await answered(bus, floe, answer, product(), "--format", "json", "-o", file)
    assert (said.code, said.out) == (0, f"wrote {file}\n")
    assert Plan.read(json.loads(file.read_text())) == PLAN


@pytest.mark.bus
async def test_a_rejection_is_shown_with_its_problems(
    bus: Bus, configured: ChassisSettings, floe: Floe, product: Any
) -> None:
    async def answer(asked: SpecSubmitted) -> ProductEvent:
        return ArtifactRejected(
            tenant=asked.tenant,
            product=asked.product,
            submission=asked.submission,
            stage="compile",
            problems=(Problem(code="FLOE-COMP-009", message="it is not there"),),
            dry_run=True,
        )

    said, _ = await answered(bus, floe, answer, product(), "--format", "markdown")
    assert (said.code, said.out) == (ExitCode.COMPILATION_FAILED, "")
    assert "FLOE-COMP-009" in said.err


def test_a_digest_that_is_none_is_told_before_anything_is_started(floe: Floe, product: Any) -> None:
    folder = product()
    said = floe("plan", folder, "--against", "the last one")
    assert said.code == ExitCode.WRONG_USAGE
    assert "sha256: and 64 hex digits, or latest" in said.err
    assert not (folder / ".floe").exists()


@pytest.mark.dbt
def test_a_stack_for_the_time_being_runs_the_compiler_alone(floe: Floe, product: Any) -> None:
    folder = product()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    command = [Path(sys.executable).with_name("floe"), "plan", folder]
    first = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90, check=False)
    assert (first.returncode, first.stderr) == (0, "")
    assert "dev  new environment: 1 added; 1 to build" in first.stdout
    started = {json.loads(line)["service"] for line in (folder / ".floe/floe.log").open() if "service.started" in line}
    assert started == {"compiler"}
    assert not (folder / ".floe" / "stack.json").exists()
    assert "artifact" not in floe("status", folder).out  # nothing was announced as compiled
