"""The compiler is killed: every submission is compiled after all, once, and in the order of publication."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_chassis.testing import eventually
from floe_contracts import subjects
from floe_contracts.subjects import EventKind

from .conftest import Publish, Recovery
from .facts import RUN_SECONDS, TENANT, Facts, listening, until
from .processes import Stack, assert_gone
from .products import write_product

MANY: Final = 300
"""Models: parsing them takes about a second, in which there is time to kill."""


async def test_compiler_killed_while_it_compiles(
    stack: Stack, facts: Facts, tmp_path: Path, recovery: Recovery
) -> None:
    product = "compiler-killed"
    folder = write_product(tmp_path / product, product)
    for number in range(MANY):
        (folder / "dbt" / "models" / f"wide_{number}.sql").write_text(f"select {number} as id\n")
    publishing = asyncio.create_task(
        asyncio.to_thread(stack.floe, "publish", str(folder), "--submission", "first"), name="publish"
    )
    await eventually(lambda: stack.dbt_child("compiler"), timeout=RUN_SECONDS)
    left = stack.kill("compiler")
    recovery()
    await publishing
    assert await facts.events(EventKind.ARTIFACT_COMPILED, product) == []
    stack.start("compiler")
    assert_gone(left)
    await until(lambda: facts.events(EventKind.ARTIFACT_COMPILED, product))
    await facts.quiet()
    compiled = await facts.events(EventKind.ARTIFACT_COMPILED, product)
    assert [event.data["submission"] for event in compiled] == ["first"]


async def test_back_and_forth_is_compiled_in_order(
    stack: Stack, bus: Bus, facts: Facts, publish: Publish, recovery: Recovery
) -> None:
    product = "back-and-forth"
    async with listening(bus, subjects.pattern(EventKind.ARTIFACT_COMPILED, product=product)) as heard:
        causes = [
            await publish(product, submission, description=content)
            for submission, content in [("first", "A"), ("second", "B"), ("third", "A")]
        ]
        await heard(lambda event: event["submission"] == "first")
    stack.kill("compiler")
    recovery()
    stack.start("compiler")

    async def all_compiled() -> bool:
        return len(await facts.events(EventKind.ARTIFACT_COMPILED, product)) >= len(causes)

    await until(all_compiled)
    await facts.quiet()
    compiled = await facts.events(EventKind.ARTIFACT_COMPILED, product)
    assert [event.headers["ce-causeid"] for event in compiled] == causes
    first, second, third = (event.data["artifact_digest"] for event in compiled)
    assert first == third != second
    subject = subjects.pattern(EventKind.ARTIFACT_COMPILED, tenant=TENANT, product=product)
    live = await bus.js.get_last_msg(topology.ARTIFACTS, subject)
    assert live.seq == compiled[-1].sequence
